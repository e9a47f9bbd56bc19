"""Which instrument a broker means: by ISIN where it gives one, else by symbol, exchange and segment.

Instruments are shared by all accounts, so they are made in a short transaction of their own, before the
record. Rows are never re-pointed, so ids may be remembered for the life of the process.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from ledger.canonical import render
from ledger.entries import CASH, Listing
from ledger.listings import Known, Name, Plan, plan

from .. import models
from ..ids import new_id, new_ids
from . import bulk
from .bulk import schema

INSTRUMENT = schema("instruments", 1, "id:uuid isin symbol name segment")
INSTRUMENT_ISIN = schema("instruments", 1, "id:uuid isin")
INSTRUMENT_NAME = schema("instruments", 1, "id:uuid name")
LISTING = schema("listings", 1, "id:uuid instrument_id:uuid exchange segment symbol listed_from:date listed_until:date")
NAME_LIMIT = 200

_one_at_a_time = Lock()
_remembered = Known()


class Made(NamedTuple):
    """How many instruments and names were new."""

    instruments: int
    names: int


class Past(NamedTuple):
    """Instruments by ISIN, by name as they are called by now, and by name until when. `unknown`: names of which nobody
    knows whose they are."""

    by_isin: Mapping[str, str]
    by_name: Mapping[Listing, str]
    former: Mapping[Listing, Sequence[tuple[date, str]]]
    unknown: frozenset[Listing]

    def of(self, listing: Listing, day: date) -> str:
        if listing.isin:
            return self.by_isin[listing.isin]
        return next((pk for until, pk in self.former[listing] if day <= until), self.by_name[listing])


def forget() -> None:
    """Empties what this process remembers: after the tables were emptied under it."""
    _remembered.clear()


def resolve(listings: Iterable[Listing], day: date) -> dict[Listing, str]:
    """The instrument id of each listing. What was never seen before is made, and dated from `day`.

    A listing that the tables cannot keep has none.
    """
    wanted = [listing for listing in set(listings) if can_be_kept(listing)]
    with _one_at_a_time:  # nobody may see an id that is not committed yet
        _make_missing(wanted, _remembered, day, {})
        return {listing: _remembered.id_of(listing) for listing in wanted}


def of_the_past(account: models.BrokerAccount, listings: Iterable[Listing], day: date, is_kept: bool) -> Past:
    """The instruments of fills of long ago, by ISIN alone where there is one: what a name meant then says nothing of
    today. A name alone is asked by day, and where no list of names has it, the book of the account. What was never
    seen is made, without a name of today; where it is not to be kept, it gets an id all the same.
    """
    wanted = set(listings)
    isins = {listing.isin: listing for listing in wanted if listing.isin}
    known = {str(isin): pk for isin, pk in _by_isin(isins).items()}
    missing = [listing for isin, listing in isins.items() if isin not in known]
    if missing and is_kept:
        with _one_at_a_time, transaction.atomic():
            models.AccountHead.objects.select_for_update().get(account=None)
            known |= (there := _by_isin(isins))
            known |= _made_without_names([each for each in missing if each.isin not in there])
    known |= {str(each.isin): new_id() for each in missing if each.isin not in known}
    by_name = [listing for listing in wanted if not listing.isin]
    former, unlisted = _former(by_name)
    called = _called_in_book(account, unlisted)
    listed = [listing for listing in by_name if listing not in called]
    named = called | (resolve(listed, day) if is_kept else _by_name(listed, day))
    return Past(known, named, former, frozenset(listing for listing in unlisted if listing not in called))


def _by_isin(isins: Iterable[str]) -> dict[str, str]:
    found = models.Instrument.objects.filter(isin__among=list(isins)).values_list("isin", "pk")
    return {str(isin): str(pk) for isin, pk in found}


def _former(names: Sequence[Listing]) -> tuple[dict[Listing, list[tuple[date, str]]], list[Listing]]:
    """What these names meant before they mean what they do, and until when; and those that no list has ever had. What a
    share was called at one exchange says what it was called at the other, where that has no such name."""
    rows = models.Listing.objects.filter(symbol__among={listing.symbol for listing in names}).order_by("listed_until")
    of: dict[tuple[str, str], list[models.Listing]] = defaultdict(list)
    for row in rows:
        of[row.symbol, row.segment].append(row)
    former, unlisted = {}, []
    for listing in names:
        found = of[listing.symbol, listing.segment]
        own = [row for row in found if row.exchange == listing.exchange] or (found if listing.segment == CASH else [])
        if not own:
            unlisted.append(listing)
        former[listing] = [(row.listed_until, str(row.instrument_id)) for row in own if row.listed_until]
    return former, unlisted


def _called_in_book(account: models.BrokerAccount, names: Sequence[Listing]) -> dict[Listing, str]:
    """The one share with an ISIN that fills of this account, or else whatever first told of it, have under the name."""
    symbols = [listing.symbol for listing in names if listing.segment == CASH]
    if not symbols:
        return {}
    fills = models.Transaction.objects.filter(broker_account=account, segment=CASH, symbol__among=symbols)
    shares = models.Instrument.objects.filter(segment=CASH, symbol__among=symbols).exclude(isin=None)
    told = _alone(fills.exclude(isin="").values_list("symbol", "instrument_id").distinct())
    called = _alone(shares.values_list("symbol", "pk")) | told
    return {
        listing: called[listing.symbol] for listing in names if listing.segment == CASH and listing.symbol in called
    }


def _alone(found: Iterable[tuple[str, UUID]]) -> dict[str, str]:
    """By symbol, where it is one share."""
    shares: dict[str, set[str]] = defaultdict(set)
    for symbol, instrument in found:
        shares[symbol].add(str(instrument))
    return {symbol: next(iter(of)) for symbol, of in shares.items() if len(of) == 1}


def _by_name(listings: Sequence[Listing], day: date) -> dict[Listing, str]:
    """What these names mean; one that is not known gets an id that stands nowhere."""
    known = Known()
    _learn(known, listings, day)
    return {listing: known.of(listing) or new_id() for listing in listings}


def _made_without_names(listings: Sequence[Listing]) -> dict[str, str]:
    made = {str(listing.isin): (new_id(), listing) for listing in listings}
    rows = [(pk, one.isin, one.symbol, "", one.segment) for pk, one in made.values()]
    bulk.insert(INSTRUMENT, [render(INSTRUMENT, row) for row in rows])
    return {isin: pk for isin, (pk, _) in made.items()}


def take(listings: Sequence[Listing], full_names: Mapping[str, str], day: date) -> Made:
    """Makes what is missing of a part of a broker's instrument file. `full_names` are by ISIN; one that an
    instrument has already stays. Remembers nothing: a whole file would fill the memory."""
    with _one_at_a_time:
        planned = _make_missing(listings, Known(), day, full_names, is_whole=True)
        if planned.listed:
            _remembered.clear()  # a name may mean something else now
        _fill_in(full_names)
    return Made(len(planned.made), len(planned.listed))


def can_be_kept(listing: Listing) -> bool:
    return all(len(value or "") <= limit for value, limit in zip(listing, (20, 64, 20, 20), strict=True))


def _make_missing(
    wanted: Sequence[Listing], known: Known, day: date, full_names: Mapping[str, str], is_whole: bool = False
) -> Plan:
    """One process at a time makes instruments; the next one finds what the one before has made."""
    if all(known.of(listing) for listing in wanted):
        return Plan()
    _learn(known, wanted, day)
    missing = [listing for listing in wanted if known.of(listing) is None]
    if not missing:
        return Plan()
    try:
        with transaction.atomic():
            models.AccountHead.objects.select_for_update().get(account=None)
            _learn(known, missing, day)
            planned = plan([listing for listing in missing if known.of(listing) is None], known, new_id, is_whole)
            _write(planned, day, full_names)
    except BaseException:
        known.clear()  # what was rolled back must not be remembered
        raise
    return planned


def _learn(known: Known, wanted: Sequence[Listing], day: date) -> None:
    """Reads what the tables know of these on this day, in two queries."""
    isins = [listing.isin for listing in wanted if listing.isin and listing.isin not in known.by_isin]
    for pk, isin in models.Instrument.objects.filter(isin__among=isins).values_list("pk", "isin"):
        known.by_isin[str(isin)] = str(pk)
    symbols = {listing.symbol for listing in wanted if known.of(listing) is None}
    known.begun, known.former = set(), set()
    listed = models.Listing.objects.filter(symbol__among=symbols)
    columns = ("symbol", "exchange", "segment", "instrument_id", "instrument__isin", "listed_from", "listed_until")
    for symbol, exchange, segment, pk, isin, since, until in listed.values_list(*columns):
        name, instrument = Name(symbol, exchange, segment), str(pk)
        if until is not None:
            known.former.add((name, instrument))
            continue
        known.by_name[name] = instrument
        (known.without_isin.add if isin is None else known.without_isin.discard)(instrument)
        if since >= day:
            known.begun.add(name)


def _write(planned: Plan, day: date, full_names: Mapping[str, str]) -> None:
    bulk.insert(INSTRUMENT, [
        render(INSTRUMENT, (pk, one.isin, one.symbol, full_names.get(one.isin or "", "")[:NAME_LIMIT], one.segment))
        for pk, one in planned.made.items()
    ])  # fmt: skip
    bulk.update(INSTRUMENT_ISIN, [render(INSTRUMENT_ISIN, row) for row in planned.identified.items()])
    _end_former(planned.listed, day)
    bulk.insert(LISTING, [
        render(LISTING, (pk, instrument, name.exchange, name.segment, name.symbol, day, None))
        for (name, instrument), pk in zip(planned.listed.items(), new_ids(len(planned.listed)), strict=True)
    ])  # fmt: skip


def _end_former(listed: Mapping[Name, str], day: date) -> None:
    """What these names meant until now ended yesterday."""
    rows = models.Listing.objects.filter(listed_until=None, symbol__among={name.symbol for name in listed})
    ended = [row.pk for row in rows if _name_of(row) in listed]
    models.Listing.objects.filter(pk__in=ended).update(listed_until=day - timedelta(days=1))


def _name_of(row: models.Listing) -> Name:
    return Name(row.symbol, row.exchange, row.segment)


def _fill_in(full_names: Mapping[str, str]) -> None:
    """Full names of instruments that have none yet."""
    nameless = models.Instrument.objects.filter(isin__among=list(full_names), name="").values_list("pk", "isin")
    rows = [(str(pk), full_names[str(isin)][:NAME_LIMIT]) for pk, isin in nameless]
    bulk.update(INSTRUMENT_NAME, [render(INSTRUMENT_NAME, row) for row in rows if row[1]])
