"""Reads kept replies with today's parsers, and writes what they make of them that the book does not say.

Nothing old is touched: what differs is a new version or revision in a batch of its own (REPARSE). Holdings, positions
and cash are those of their day, so only a day's last capture is compared; what stood later stays what stands now. Of
fills and orders each row is compared, and of these and of cash also what could not be read then: brokers list them
for the day only. Asks no broker; writes nothing of a batch where a parser fails for what was read then, and nothing of
a section that it still cannot read. Prices stay; snapshots of the days that it moves are revised.
"""

import inspect
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from ledger.entries import Order
from ledger.errors import BadValue

from . import rebuild, replies, snapshots
from .keys import CannotDecrypt
from .models import BrokerAccount, SyncBatch
from .replies import KeyGone, ReplyGone, Told
from .rereading import EACH_ROW, TAKES, Difference, Learnt, Reader
from .sync import dicts, instruments, late_fills
from .sync.amend import REPARSE, Deed, amending
from .sync.capture import ACCEPTED, FAILED
from .sync.decision import listing_of
from .triggers.base import Reply, Rows
from .triggers.registry import get_trigger_for_code

READ = ("holdings", "positions", "orders", "trades", "funds")
_WHERE_IT_FAILED_TOO = ("orders", "trades", "funds")  # what stood of the others then stands until a broker is asked


@dataclass(slots=True)
class Rereading:
    """One batch. `trouble`: why it could not be read again; then nothing was written. `is_locked`: nor can any other
    of its account. `unread`: sections that failed then and fail today, and rows that are set aside; all else of the
    batch is taken."""

    batch: SyncBatch
    parsers: tuple[str, str] = ("", "")  # then and today
    differences: list[Difference] = field(default_factory=list)
    trouble: str = ""
    is_locked: bool = False
    unread: list[str] = field(default_factory=list)


class _OnlyLooked(Exception):
    """Undoes what a dry run has written."""


def reparse(batches: Iterable[SyncBatch], is_dry: bool, who: str) -> Iterator[Rereading]:
    learnt: dict[UUID | None, Learnt] = defaultdict(Learnt)
    for batch in batches:
        done = Rereading(batch)
        try:
            _reread(done, is_dry, who, learnt[batch.broker_account_id] if is_dry else Learnt())
        except (ReplyGone, CannotDecrypt, BadValue) as error:
            done.trouble, done.is_locked = str(error), isinstance(error, KeyGone)
        yield done


def _reread(done: Rereading, is_dry: bool, who: str, learnt: Learnt) -> None:
    batch, said = done.batch, replies.told(done.batch)
    account = batch.broker_account
    assert account is not None
    entries = _parsed(done, account, said)
    if done.trouble:
        return
    listings = (listing_of(row) for section, rows in entries.items() if section != "funds" for row in rows)
    named = instruments.of_the_past(account, listings, batch.trading_day, is_kept=not is_dry)
    deed = Deed(f"read anew: batch {batch.pk}", who)
    try:
        with amending(account, REPARSE, deed) as amendment:
            amendment.metadata |= {"of": str(batch.pk), "parser": done.parsers[1]}
            reader = Reader(account, batch, amendment, named, done.differences, learnt)
            for section, take in TAKES.items():
                if section in entries and (section in EACH_ROW or reader.speaks_for_its_day(section)):
                    take(reader, entries[section])
            before = {} if is_dry else snapshots.told(account, reader.days())
            if reader.answered:
                amendment.tell("question.closed", subjects=reader.answered)
                amendment.flush()  # they are open no more for the fills either
            late_fills.bridge(amendment, reader.fills)
            if done.differences and not is_dry:
                amendment.flush()
                snapshots.revise(amendment, before)
                rebuild.mend(account)
                amendment.forget_sections()
            if is_dry:
                raise _OnlyLooked
    except _OnlyLooked:
        pass


def _parsed(done: Rereading, account: BrokerAccount, said: Told) -> dict[str, Sequence[Any]]:
    """What today's parser makes of each section that was believed then, or could not be read."""
    trigger = get_trigger_for_code(account.broker_id)
    if trigger is None:
        done.trouble = f"no broker {account.broker_id} is known any more"
        return {}
    try:
        done.parsers = said.parser, str(trigger.parser())
    except Exception as error:
        done.trouble = f"parser() of the trigger of {account.broker_id} raised {type(error).__name__}: {error}"
        return {}
    kept = replies.bodies(account, said)
    entries: dict[str, Sequence[Any]] = {}
    for section in (name for name in READ if _is_read(name, said.sections.get(name)) and kept.get(name)):
        try:
            entries[section], aside = _parse(trigger, section, kept[section], entries.get("orders", ()))
        except Exception as error:  # whatever a parser does: it is told, and nothing is written
            failure = f"{section}: today's parser fails: {type(error).__name__}: {error}"
            if said.sections[section] != FAILED:
                done.trouble = failure
                return {}
            done.unread.append(failure)
        else:
            done.unread += [f"{section} {row.subject}: set aside: {row.reason}" for row in aside]
    return entries


def _is_read(section: str, state: str | None) -> bool:
    return state == ACCEPTED or (state == FAILED and section in _WHERE_IT_FAILED_TOO)


def _parse(trigger: Any, section: str, kept: Sequence[Reply], orders: Sequence[Order]) -> Rows:
    if kept[0].request == f"fetch_{section}()":
        return dicts.read(section, json.loads(kept[0].body, parse_float=Decimal))
    parse: Callable[..., Rows] = getattr(trigger, f"parse_{section}")
    more = {"orders": orders} if "orders" in inspect.signature(parse).parameters else {}
    return parse(kept, **more)
