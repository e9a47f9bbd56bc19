"""Which instrument a broker means: by ISIN where it gives one, else by symbol, exchange and segment.

Instruments are shared by all accounts, so they are made in a short transaction of their own, before the
record. Rows are never re-pointed, so ids may be remembered for the life of the process.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from threading import Lock

from django.db import transaction
from django.db.models import Q

from ledger.entries import Listing

from .. import models
from ..ids import new_ids

Name = tuple[str, str, str]  # symbol, exchange, segment

_one_at_a_time = Lock()
_by_isin: dict[str, str] = {}
_by_name: dict[Name, str] = {}


def forget() -> None:
    """Empties what this process remembers: after the tables were emptied under it."""
    _by_isin.clear()
    _by_name.clear()


def resolve(listings: Iterable[Listing], day: date) -> dict[Listing, str]:
    """The instrument id of each listing. What was never seen before is made, and dated from `day`.

    A listing that the tables cannot keep has none.
    """
    with _one_at_a_time:  # nobody may see an id that is not committed yet
        return _resolved(listings, day)


def _resolved(listings: Iterable[Listing], day: date) -> dict[Listing, str]:
    wanted = sorted(filter(_can_be_kept, set(listings)), key=lambda listing: (listing.isin is None, listing.symbol))
    if any(_known(listing) is None for listing in wanted):
        _learn(wanted)
        missing = [listing for listing in wanted if _known(listing) is None]
        if missing:
            _make_together(missing, day)
    return {listing: _id_of(listing) for listing in wanted}


def _can_be_kept(listing: Listing) -> bool:
    return all(len(value or "") <= limit for value, limit in zip(listing, (20, 64, 20, 20), strict=True))


def _make_together(missing: list[Listing], day: date) -> None:
    """One process at a time makes instruments; the next one finds what the one before has made."""
    try:
        with transaction.atomic():
            models.AccountHead.objects.select_for_update().get(account=None)
            _learn(missing)
            _make([listing for listing in missing if _known(listing) is None], day)
    except BaseException:
        forget()  # what was rolled back must not be remembered
        raise


def _name(listing: Listing) -> Name:
    return listing.symbol, listing.exchange, listing.segment


def _known(listing: Listing) -> str | None:
    """The id, once both the ISIN and the name lead to it."""
    by_name = _by_name.get(_name(listing))
    if listing.isin is None:
        return by_name
    by_isin = _by_isin.get(listing.isin)
    return by_isin if by_isin == by_name else None


def _id_of(listing: Listing) -> str:
    return _by_isin[listing.isin] if listing.isin else _by_name[_name(listing)]


def _learn(wanted: list[Listing]) -> None:
    """Reads what the tables know of these, in two queries."""
    isins = [listing.isin for listing in wanted if listing.isin and listing.isin not in _by_isin]
    for pk, isin in models.Instrument.objects.filter(isin__among=isins).values_list("pk", "isin"):
        _by_isin[str(isin)] = str(pk)
    symbols = {listing.symbol for listing in wanted if _name(listing) not in _by_name}
    listed = models.Listing.objects.filter(symbol__among=symbols, listed_until=None)
    for symbol, exchange, segment, pk in listed.values_list("symbol", "exchange", "segment", "instrument_id"):
        _by_name[symbol, exchange, segment] = str(pk)


def _make(missing: list[Listing], day: date) -> None:
    """Instruments with an ISIN first, so that a name without one finds them."""
    for listing, new_id in zip(missing, new_ids(len(missing)), strict=True):
        if listing.isin is None and _name(listing) in _by_name:
            continue
        if listing.isin and listing.isin not in _by_isin:
            _by_isin[listing.isin] = _adopted(listing) or _made(listing, new_id)
        target = _by_isin[listing.isin] if listing.isin else _made(listing, new_id)
        if _by_name.get(_name(listing)) != target:
            _list(listing, target, day)


def _adopted(listing: Listing) -> str | None:
    """An instrument that was only known by this name until now is the one: its ISIN is filled in."""
    by_name = _by_name.get(_name(listing))
    adopted = models.Instrument.objects.filter(pk=by_name, isin=None).update(isin=listing.isin) if by_name else 0
    return by_name if adopted else None


def _made(listing: Listing, new_id: str) -> str:
    identity = Q(isin=listing.isin) if listing.isin else Q(pk=new_id)
    models.Instrument.objects.bulk_create(
        [models.Instrument(pk=new_id, isin=listing.isin, symbol=listing.symbol, segment=listing.segment)],
        ignore_conflicts=True,  # another process may have made it meanwhile
    )
    return str(models.Instrument.objects.get(identity).pk)


def _list(listing: Listing, instrument_id: str, day: date) -> None:
    """From today on, this name means this instrument; what it meant before ends yesterday."""
    symbol, exchange, segment = _name(listing)
    names = models.Listing.objects.filter(symbol=symbol, exchange=exchange, segment=segment)
    names.filter(listed_until=None).exclude(instrument_id=instrument_id).update(listed_until=day - timedelta(days=1))
    names.update_or_create(
        symbol=symbol,
        exchange=exchange,
        segment=segment,
        listed_from=day,
        defaults={"instrument_id": instrument_id, "listed_until": None},
    )
    _by_name[_name(listing)] = instrument_id
