"""Fills the past of one account from a file: transactions, missed days, and the questions that they answer.

The book keeps what it has: a fill that the broker told, or another file, is not written again, and up to the opening's
day fills explain what was there and add nothing. Snapshots of its days follow. One transaction, or nothing at all.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from itertools import islice

from ledger import canonical, statement
from ledger.entries import CASH, Listing, Trade
from ledger.errors import BadValue
from ledger.fills import FillMove, KnownFill
from ledger.matching import Differing

from .. import clock, snapshots
from ..models import BrokerAccount, RawReply, SyncSlot, Transaction
from ..schedule import calendar, coverage
from ..statements.reading import Statement
from . import instruments, late_fills
from .amend import IMPORT, Amendment, Deed, amending
from .decision import listing_of
from .evidence import RAW_BODY, lasting
from .history import fill_revisions
from .instruments import Past
from .late_fills import Learnt, Placed
from .links import one_share
from .slots import SETTLED

_AT_ONCE = 5_000  # fills that are sent together: a long file need not be in memory as rows
_SAMPLE = 500  # fills that are looked for in other accounts

_WHOLE_DAY = ("DAILY_PORTFOLIO", "ORDER_HISTORY")


class CannotImport(Exception):
    """The file is not for this account; the message says why. Nothing was written."""


class _NotAccepted(Exception):
    """Only a preview: everything is rolled back."""


@dataclass(slots=True)
class Outcome:
    """What a file adds to a book, or would add."""

    rows: int
    first: date
    last: date
    covered: frozenset[date] | None = None  # of the days between them only these; None: each of them
    new: int = 0
    known: int = 0
    differing: list[Differing] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # symbols of new fills that are no share's as far as is known
    too_fresh: int = 0  # fills of today and later: the sync takes those
    days: list[date] = field(default_factory=list)  # missed days that are filled in
    answered: list[int] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)  # fills that holdings never showed


def import_fills(
    account: BrokerAccount, told: Statement, deed: Deed, *, accept: bool, is_anyway: bool = False,
    since: date | None = None, until: date | None = None,
) -> Outcome:  # fmt: skip
    """Writes what the file adds; without `accept` it only works it out. CannotImport when it is not of this account.

    `since`, `until`: the days that the file covers, each of them. Without both it covers the days of its fills alone:
    that nothing happened on another day it does not say.
    """
    _refuse_another_broker(account, told)
    today = clock.today()
    trades = [trade for trade in told.trades if trade.trade_date < today]
    days = sorted({trade.trade_date for trade in told.trades})
    covered = None if since or until else frozenset(days)
    outcome = Outcome(len(told.trades), *_range(days, since, until), covered)
    outcome.too_fresh = len(told.trades) - len(trades)
    if not is_anyway:
        _refuse_another_account(account, trades)
    past = instruments.of_the_past(account, (_listing(trade) for trade in trades), today, accept)
    try:
        with amending(account, IMPORT, deed) as amendment:
            _write_all(amendment, told, trades, past, outcome)
            if not accept:
                raise _NotAccepted
    except _NotAccepted:
        pass
    return outcome


def _range(days: Sequence[date], since: date | None, until: date | None) -> tuple[date, date]:
    """The first and the last day that the file covers. Days without a fill may be said to be covered, but some day
    has to be."""
    first, last = since or days[0], until or days[-1]
    if first <= last:
        return first, last
    if since and until:
        raise CannotImport(f"--from {since} is after --until {until}: there is no day between them")
    if since:
        raise CannotImport(f"--from {since} is after the last fill of the file, of {last}: say --until too")
    raise CannotImport(f"--until {until} is before the first fill of the file, of {first}: say --from too")


def _refuse_another_broker(account: BrokerAccount, told: Statement) -> None:
    if told.format.broker not in (None, account.broker_id):
        raise CannotImport(f"this is {told.format.title}, and {account} is an account at {account.broker.name}")


def _refuse_another_account(account: BrokerAccount, trades: Sequence[Trade]) -> None:
    """No file says whose it is; but fills that stand in another account's book are its own."""
    some = statement.names(islice(trades, _SAMPLE))
    owners = Transaction.objects.current().filter(source_id__among=some).values_list("broker_account_id", flat=True)
    others = set(owners) - {account.pk}
    if others and account.pk not in owners:
        found = ", ".join(str(each) for each in BrokerAccount.objects.filter(pk__in=others))
        raise CannotImport(f"fills of this file stand in the book of {found}; if they belong here too: --anyway")


def _write_all(amendment: Amendment, told: Statement, trades: Sequence[Trade], past: Past, outcome: Outcome) -> None:
    account = amendment.account

    def share_of(trade: Trade) -> str:
        return past.by_isin[trade.isin] if trade.isin else past.of(_listing(trade), trade.trade_date)

    known = _known_fills(account, trades) if trades else []
    same = one_share(account, {*map(share_of, trades), *(fill.instrument for fill in known)}) if known else {}
    planned = statement.plan(trades, known, share_of, same)
    outcome.new, outcome.known, outcome.differing = _count(planned.moves), planned.known, planned.differing
    outcome.unknown = _unknown(planned.moves, past)
    slots = _to_fill(account, outcome)
    outcome.days = sorted({slot.trading_day for slot in slots})
    if not planned.moves and not slots:
        return
    file = _keep_file(amendment, told)
    placed = [(move, move.before.instrument if move.before else share_of(move.trade)) for move in planned.moves]
    outcome.answered, outcome.opened = _write_and_bridge(amendment, placed)
    for slot in slots:
        amendment.pen.update(
            SETTLED, str(slot.pk), slot.lost_runs, None, slot.standing, "back_filled", "from a statement",
            amendment.batch_id,
        )  # fmt: skip
    amendment.metadata |= {
        "format": told.format.name, "file": file.hex(), "rows": outcome.rows, "new": outcome.new,
        "known": outcome.known, "back_filled": [str(day) for day in outcome.days],
    }  # fmt: skip


def _write_and_bridge(amendment: Amendment, placed: Sequence[Placed]) -> Learnt:
    """With the totals of the days that these fills move."""
    before = snapshots.told(amendment.account, {move.trade.trade_date for move, _ in placed})
    _write_fills(amendment, placed)
    learnt = late_fills.bridge(amendment, placed)
    amendment.flush()
    try:
        snapshots.revise(amendment, before)
    except BadValue as error:
        raise CannotImport(f"with this file the totals of a day would be too large: {error}") from None
    return learnt


def _listing(trade: Trade) -> Listing:
    return listing_of(statement.at_some_exchange(trade))


def _unknown(moves: Iterable[FillMove], past: Past) -> list[str]:
    """The symbols of new fills of shares of which nobody knows whose they are."""
    if not past.unknown:
        return []
    new = (move.trade for move in moves if not move.before and not move.trade.isin)
    return sorted({each.symbol for each in new if each.segment == CASH and _listing(each) in past.unknown})


def _count(moves: Iterable[FillMove]) -> int:
    return sum(1 for move in moves if not move.void_reason)


def _known_fills(account: BrokerAccount, trades: Sequence[Trade]) -> Collection[KnownFill]:
    """The last revision of every fill of the days of the file, and of those that were made up for its orders."""
    days = [trade.trade_date for trade in trades]
    found = Transaction.objects.filter(broker_account=account, trade_date__range=(min(days), max(days)))
    latest: dict[str, KnownFill] = {}
    as_told: dict[str, KnownFill] = {}
    for _, fill in fill_revisions(found):
        _keep_later(latest, fill)
        if not fill.is_by_hand:
            _keep_later(as_told, fill)
    for name, fill in latest.items():
        if fill.is_by_hand and name in as_told:
            latest[name] = fill._replace(as_told=as_told[name].trade)
    return latest.values()


def _keep_later(kept: dict[str, KnownFill], fill: KnownFill) -> None:
    before = kept.get(fill.source_id)
    if before is None or before.revision < fill.revision:
        kept[fill.source_id] = fill


def _keep_file(amendment: Amendment, told: Statement) -> bytes:
    """The file itself, encrypted under the account's key; one that is kept already is not kept again. Its digest."""
    key, pen = amendment.evidence_key, amendment.pen
    digest = key.digest(told.body)
    if lasting(RawReply.objects.filter(broker_account=amendment.account, body_digest=digest)).exists():
        return digest
    ciphertext = key.encrypt(told.body, digest)
    row_id = pen.write(
        canonical.RAW_REPLY, f"IMPORT {told.format.name}", 0, amendment.now, digest, sha256(ciphertext).digest(),
        len(told.body),
    )  # fmt: skip
    pen.insert(RAW_BODY, row_id, ciphertext)
    return digest


def _write_fills(amendment: Amendment, placed: Iterable[Placed]) -> None:
    for number, (move, instrument) in enumerate(placed, 1):
        before = move.before
        revision, supersedes = (before.revision + 1, before.row_id) if before else (1, None)
        try:
            amendment.pen.transaction(
                move.source_id, revision, supersedes, move.void_reason, instrument, move.trade, IMPORT
            )
        except BadValue as error:
            raise CannotImport(f"{move.trade.symbol} on {move.trade.trade_date}: {error}") from None
        if number % _AT_ONCE == 0:
            amendment.flush()


def _to_fill(account: BrokerAccount, outcome: Outcome) -> list[SyncSlot]:
    """The looks of the days that the file covers that nobody came for, or that lack what a statement tells alone."""
    first, last = outcome.first, min(outcome.last, calendar.previous_session(clock.today()))
    wanting = (SyncSlot.Result.MISSED, SyncSlot.Result.PARTIAL)
    found = account.slots.filter(trading_day__range=(first, last), kind__in=_WHOLE_DAY, result__in=wanting)
    covered = outcome.covered
    slots = [slot for slot in found.order_by("due_at") if covered is None or slot.trading_day in covered]
    short = _short_days(account, [slot.trading_day for slot in slots if slot.result == SyncSlot.Result.PARTIAL])
    return [slot for slot in slots if slot.result == SyncSlot.Result.MISSED or slot.trading_day in short]


def _short_days(account: BrokerAccount, days: Sequence[date]) -> set[date]:
    """Those of which orders and fills alone are missing."""
    if not days:
        return set()
    (row,) = coverage.cover([account], min(days), max(days), clock.now())
    return {
        day.day for day in row.days
        if day.result == SyncSlot.Result.PARTIAL and day.missing and {*day.missing} <= {*coverage.DAY_ONLY}
    }  # fmt: skip
