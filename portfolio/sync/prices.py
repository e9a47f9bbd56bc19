"""Shared rows: what instruments cost, written once for all accounts, in a short transaction of their own.

A price that is not new, or was observed before the current one, writes nothing: then there is no batch either.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from ledger import canonical, page
from ledger.canonical import Rendered, render
from ledger.entries import Listing
from ledger.page import FIRST_PREVIOUS, Entry

from ..ids import new_id, new_ids
from ..models import AccountHead, Price
from . import bulk, record
from .capture import HOLDINGS, POSITIONS, PRICES
from .decide import Decision

logger = logging.getLogger(__name__)

_Key = tuple[str, date, str]  # instrument id, day, source


class Seen(NamedTuple):
    """One fresh price, INR per unit, and under which name it was asked for."""

    listing: Listing
    price: Decimal
    observed_at: datetime
    is_close: bool


class Known(NamedTuple):
    """The current revision of one price."""

    revision: int
    price: Decimal
    observed_at: datetime
    is_close: bool


_current: dict[_Key, tuple[Decimal, bool]] = {}  # price, and whether it is the day's last


def forget() -> None:
    """Empties what this process remembers: after the tables were emptied under it."""
    _current.clear()


def write(decisions: Sequence[Decision], now: datetime) -> None:
    """Writes the fresh prices of a group of captures. When that fails, those of each account alone; what fails then is
    left out and named in the account's batch, which is recorded all the same."""
    try:
        _write_together(decisions, now)
    except Exception as error:
        if len(decisions) == 1:
            _leave_out(decisions[0], error)
            return
        for made in decisions:
            write([made], now)


def _leave_out(made: Decision, error: Exception) -> None:
    """The sections that prices come from are forgotten, so that they are looked at again the next time."""
    made.capture.blame(
        PRICES, "not_shared", f"the prices could not be kept for the day: {type(error).__name__}: {error}",
        "all else is recorded; it is tried again with the next sync",
    )  # fmt: skip
    logger.error("account %s: %s", made.capture.account_id, made.capture.problems[-1].message)
    for name in (PRICES, HOLDINGS, POSITIONS):
        made.memory.seen.pop(name, None)


def _write_together(decisions: Iterable[Decision], now: datetime) -> None:
    seen = _seen(decisions)
    fresh = {key: one for key, one in seen.items() if _current.get(key) != (one.price, one.is_close)}
    if not fresh:
        return
    if len(_current) > 1_000_000:
        _current.clear()
    with transaction.atomic(durable=True):
        head = AccountHead.objects.select_for_update().get(account=None)
        known = _known(fresh)
        changed = {key: one for key, one in fresh.items() if key not in known or _is_news(one, known[key])}
        if changed:
            _write_batch(head, changed, known, now)
    for key, one in fresh.items():
        current = one if key in changed else known[key]
        _current[key] = current.price, current.is_close


def _is_news(one: Seen, known: Known) -> bool:
    """Another price, or the same one that is by now the day's last. Never one that was observed before."""
    is_other = one.price != known.price or (one.is_close and not known.is_close)
    return is_other and known.observed_at < one.observed_at


def _seen(decisions: Iterable[Decision]) -> dict[_Key, Seen]:
    seen: dict[_Key, Seen] = {}
    for made in decisions:
        capture = made.capture
        if not made.quotes or not capture.takes_state:
            continue
        for listing, instrument in made.instruments.items():
            quote = made.quotes.get(instrument)
            if quote and not quote.is_stale:
                one = Seen(listing, quote.price, capture.started_at, capture.is_closed)
                key = (instrument, capture.trading_day, capture.broker)
                if key not in seen or seen[key].observed_at < one.observed_at:
                    seen[key] = one
    return seen


def _known(keys: Iterable[_Key]) -> dict[_Key, Known]:
    keys = list(keys)
    rows = Price.objects.filter(
        instrument__among={key[0] for key in keys},
        price_date__in={key[1] for key in keys},
        source__in={key[2] for key in keys},
    ).order_by("revision")
    columns = ("instrument_id", "price_date", "source", *Known._fields)
    return {(str(i), day, source): Known(*known) for i, day, source, *known in rows.values_list(*columns)}


def _write_batch(head: AccountHead, changed: Mapping[_Key, Seen], known: Mapping[_Key, Known], now: datetime) -> None:
    """Opens, fills, seals and closes one batch of the installation's own chain."""
    batch_id = new_id()
    rows: list[Rendered] = []
    entries: list[Entry] = []
    for (key, one), row_id in zip(sorted(changed.items()), new_ids(len(changed)), strict=True):
        instrument, day, source = key
        named = one.listing
        revision = known[key].revision + 1 if key in known else 1
        rendered = render(canonical.PRICE, (
            row_id, instrument, named.isin or "", named.symbol, named.exchange, day, source, revision, one.price,
            one.observed_at, one.is_close, now, batch_id,
        ))  # fmt: skip
        leaf = canonical.leaf(canonical.PRICE, rendered)
        rows.append([*rendered, leaf.hex()])
        entries.append(Entry(canonical.PRICE.name, row_id, leaf))
    day = max(key[1] for key in changed)
    header = render(canonical.SYNC_BATCH, (
        batch_id, None, "SHARED", day, "COMPLETED", now, now, *(0,) * 8, "[]",
        canonical.json_text({"prices": str(len(rows))}),
    ))  # fmt: skip
    previous = bytes(head.page_hash) if head.page_number else FIRST_PREVIOUS
    sealed = page.seal(str(head.pk), head.page_number + 1, entries, page.header_digest(header), previous)
    bulk.insert(canonical.SYNC_BATCH, [header])
    bulk.insert(bulk.with_leaf(canonical.PRICE), rows)
    bulk.insert(record.PAGE_ROW, [record.page_row(sealed, batch_id)])
    AccountHead.objects.filter(pk=head.pk).update(page_number=sealed.number, page_hash=sealed.hash)
