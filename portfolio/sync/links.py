"""Reads what was said that became of shares, and was not taken back. Writes nothing.

An account answers for itself, and what a company did is so for everybody: what was said for one is known to all.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import QuerySet

from ledger.answers import CORPORATE, ISIN_CHANGE, SPLIT
from ledger.links import Link, distinct

from ..models import BrokerAccount, InstrumentLink


def said_for_others(account: BrokerAccount, instruments: Iterable[str]) -> list[Link]:
    """About these instruments, or about what came in the place of others."""
    ids = [UUID(instrument) for instrument in instruments]
    rows = _corporate().exclude(broker_account=account)
    return list(
        dict.fromkeys(_standing(rows.filter(instrument__among=ids) | rows.filter(successor__among=ids)).values())
    )


def onward(account: BrokerAccount, instruments: Iterable[str]) -> list[Link]:
    """What became of these instruments, and of what they became, by day; each action once, as this account has it."""
    found: dict[tuple[str, Link], Link] = {}
    seen: set[str] = set()
    wanted = set(instruments)
    while wanted:
        new = _standing(_corporate().filter(instrument__among=[UUID(each) for each in wanted]))
        found |= new
        seen |= wanted
        wanted = {link.successor for link in new.values()} - seen
    own = str(account.pk)
    return distinct(found[said] for said in sorted(found, key=lambda said: said[0] != own))


def one_share(account: BrokerAccount, instruments: Iterable[str]) -> dict[str, str]:
    """Of instruments that were split or got a new ISIN: the last that each of them is by now."""
    found = onward(account, instruments)
    became = {link.instrument: link.successor for link in found if link.replaces and link.kind in (SPLIT, ISIN_CHANGE)}
    return {instrument: _last(became, instrument) for instrument in became}


def _last(became: Mapping[str, str], instrument: str) -> str:
    seen = {instrument}
    while (successor := became.get(instrument, instrument)) not in seen:
        seen.add(instrument := successor)
    return instrument


def said_by(account: BrokerAccount) -> set[Link]:
    return set(_standing(_corporate().filter(broker_account=account)).values())


def _corporate() -> QuerySet[InstrumentLink]:
    return InstrumentLink.objects.filter(kind__in=CORPORATE)


def _standing(rows: QuerySet[InstrumentLink]) -> dict[tuple[str, Link], Link]:
    """By who said it: the same may be said for two accounts and be taken back for one."""
    standing: dict[tuple[str, Link], bool] = {}
    for row in rows.order_by("detected_at", "pk"):
        link = Link(
            row.kind, str(row.instrument_id), str(row.successor_id), row.effective_on, row.units_before,
            row.units_after, row.cost_percent,
        )  # fmt: skip
        standing[str(row.broker_account_id), link] = not row.is_withdrawn
    return {said: said[1] for said, stands in standing.items() if stands}
