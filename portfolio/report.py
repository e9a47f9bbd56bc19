"""What syncs and accounts look like to a person. Reads; decides nothing. To a program: `values.py`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from textwrap import indent
from typing import Any, Protocol

from ledger.checkpoint import Note
from ledger.normalise import IST

from . import asked, book, clock
from .models import BrokerAccount, PortfolioSnapshot, RealHolding
from .proof.verified import Verified
from .story import HOLDING_KINDS, ORDER_KINDS, OrderStory, State, Story
from .sync.capture import HOLDINGS, ORDERS, POSITIONS, SECTIONS
from .sync.questions import OpenQuestion, open_questions
from .sync.record import Result
from .values import as_values, unconfirmed

MARKS = {"COMPLETED": "ok", "PARTIAL": "part", "FAILED": "FAIL"}
DAY_COUNTERS = ("orders_created", "quantity_changes_detected", "holdings_updated")
EXAMPLES = 2  # so many are told of each kind; the rest is counted
LONGEST_TRAIL = 4


class Out(Protocol):
    """Where text goes: a file, or what Django wraps around one."""

    def write(self, text: str, /) -> Any: ...


def exit_code(results: Iterable[Result], wanted: int) -> int:
    """0: every account completed. 1: some did not, or were held by another run. 2 is the caller's, for bad input."""
    statuses = [result.status for result in results]
    return 0 if len(statuses) == wanted and all(status == "COMPLETED" for status in statuses) else 1


def write_line(out: Out, result: Result, account: BrokerAccount | str) -> None:
    """One account, or its title, in one line, and two lines for each problem: what it is, and what to do about it.
    Two lines as well for what is no problem and wants to be seen."""
    values = as_values(result)
    told = [name for name in (HOLDINGS, POSITIONS, ORDERS) if name in SECTIONS[result.capture.sync_type]]
    figures = ", ".join(counted(values[f"{name}_fetched"], name.removesuffix("s")) for name in told)
    changed = values["holdings_updated"] + values["positions_updated"] + values["quantity_changes_detected"]
    news = counted(changed, "change") if changed else "no change"
    out.write(f"{MARKS[result.status]:4}  {account}  {values['trading_day']}  {figures}; {news}\n")
    write_problems(out, [result])
    for note, next_step in _notes(result):
        out.write(f"      {note}\n        -> {next_step}\n")


def _notes(result: Result) -> Iterator[tuple[str, str]]:
    for section, names in unconfirmed(result).items():
        stands = "what is missing stands, unconfirmed, until a later trading day agrees"
        yield f"{section}: missing, and nothing says why: {names}", stands
    if raised := result.made.outbox.questions:
        numbers = ", ".join(map(str, raised))
        yield f"questions: shares moved, and nothing says why: {numbers}", "see what they look like: manage.py explain"


def write_days_heading(out: Out, accounts: Iterable[BrokerAccount]) -> None:
    worth = "".join(f"{account.label + ', INR':>18}" for account in accounts)
    out.write(f"day             captures   new orders   order changes   holdings moved{worth}\n")


def write_day(out: Out, number: int, day: date, results: Sequence[Result], accounts: Iterable[BrokerAccount]) -> None:
    """All accounts on one trading day in one line: what the captures found new, and what each account is worth."""
    values = [as_values(result) for result in results]
    ended = Counter(MARKS[each["status"]] for each in values)
    captures = ", ".join(f"{ended[mark]} {mark}" for mark in MARKS.values() if mark in ended)
    sums = [sum(each[name] for each in values) for name in DAY_COUNTERS]
    worth = "".join(f"{_worth(account, day):>18}" for account in accounts)
    out.write(f"{number:3} {day:%a %d %b}   {captures:>8}{sums[0]:13}{sums[1]:16}{sums[2]:17}{worth}\n")
    write_problems(out, results)


def _worth(account: BrokerAccount, day: date) -> str:
    snapshot = book.snapshots([account.pk]).filter(snapshot_date=day).first()
    return _money(snapshot.total_portfolio_value) if snapshot else "-"


def write_problems(out: Out, results: Iterable[Result]) -> None:
    """Each problem once, however many captures met it."""
    problems = dict.fromkeys(problem for result in results for problem in result.capture.problems)
    for problem in problems:
        out.write(f"      {problem.section}: {problem.message}\n        -> {problem.next}\n")


def write_account(out: Out, account: BrokerAccount) -> None:
    """What a person wants to know of an account: what is held, the last snapshot, the open questions."""
    holdings = sorted(book.holdings([account.pk]), key=lambda row: -(row.current_value or 0))
    _write_holdings(out, holdings)
    if snapshot := book.last_snapshot(account.pk):
        _write_snapshot(out, snapshot, _on_the_way(snapshot, holdings))
    _write_questions(out, account, open_questions(account))


def _write_holdings(out: Out, holdings: Sequence[RealHolding]) -> None:
    out.write(f"  {counted(len(holdings), 'holding')}, units and value in INR\n" if holdings else "  No holdings\n")
    for row in holdings:
        value = "no price yet" if row.current_value is None else _money(row.current_value)
        mark = f"  unconfirmed since {row.unconfirmed_since}" if row.unconfirmed_since else ""
        out.write(f"    {row.symbol:14}{_units(row.owned_quantity):>12}{value:>18}{mark}\n")


def _on_the_way(snapshot: PortfolioSnapshot, holdings: Iterable[RealHolding]) -> str:
    """Why what is listed does not add up to the day's total: what is owned by that day's trades is in it too."""
    days = {row.price_day for row in holdings} | {snapshot.snapshot_date}
    difference = snapshot.total_holdings_value - sum(row.current_value or 0 for row in holdings)
    if not difference or len(days) > 1:
        return ""
    return f"  with {difference:+,.2f} that was traded that day and is not in holdings yet"


def _write_snapshot(out: Out, snapshot: PortfolioSnapshot, on_the_way: str) -> None:
    percent = snapshot.day_change_percent
    out.write(f"  Snapshot of {snapshot.snapshot_date}, in INR\n")
    for name, value, note in (
        ("holdings", snapshot.total_holdings_value, on_the_way),
        ("positions", snapshot.total_positions_value, ""),
        ("together", snapshot.total_portfolio_value, ""),
        ("day change", snapshot.day_change, "" if percent is None else f"  {percent:+.2f} %"),
        ("cash", snapshot.cash_balance, ""),
    ):
        figure = "not known" if value is None else f"{value:{'+' if name == 'day change' else ''},.2f}"
        out.write(f"    {name:14}{figure:>30}{note}\n")
    if snapshot.stale_prices:
        out.write(f"    {counted(snapshot.stale_prices, 'instrument')} without a price of that day\n")


def _write_questions(out: Out, account: BrokerAccount, questions: Sequence[OpenQuestion]) -> None:
    if questions:
        out.write("  Open questions: these moved, nothing in the book says why, and this is what they look like\n")
    for line in asked.lines(questions, clock.today(), is_short=True):
        out.write(f"  {line}\n")
    if questions:
        out.write(
            f"    If it is so: manage.py explain NUMBER accept --account {account.pk}; explain --help tells the rest\n"
        )


def verified_text(found: Verified) -> str:
    lines = [f"  {finding}" for finding in found.findings]
    looked = f"{counted(found.rows, 'row')}, {counted(found.pages, 'page')}, {counted(found.checkpoints, 'checkpoint')}"
    above = f"The last checkpoint covers {counted(found.last_checkpoint, 'page')}; {found.above} lie above it."
    result = f"{len(lines)} of it not as it was sealed:" if lines else "all as it was sealed."
    return "\n".join([f"{looked}: {result}", *lines, above])


def write_book(out: Out, found: Verified, note: Note) -> None:
    """What verifying the whole book found, and the checkpoint that whoever reads this can keep."""
    out.write("\nThe book, worked out anew from its rows\n" + indent(verified_text(found), "  ") + "\n")
    out.write("  Its checkpoint: kept where nobody can write this database, it shows whatever is changed from now on\n")
    out.write(indent(str(note), "    ", lambda line: True))


def write_story(out: Out, story: Story) -> None:
    """What was fetched and written, which orders were seen changing, what happened to holdings."""
    fetched, changed = story.fetched, story.changed
    ended = ", ".join(f"{number} {MARKS[status]}" for status, number in fetched.batches.items() if number)
    found = (
        f"{counted(fetched.holdings, 'holding')}, {counted(fetched.positions, 'position')}, "
        f"{counted(fetched.orders, 'order')}"
    )
    for line in (
        f"  Fetched  {counted(sum(fetched.batches.values()), 'capture')} ({ended}), {fetched.requests:,} requests, "
        f"{fetched.replies_kept:,} new replies kept",
        f"           {found} at the last whole capture",
        f"  Changed  {counted(changed.orders, 'order')}: {counted(changed.order_versions, 'version')}, "
        f"{counted(changed.quantity_changes, 'change')}, {counted(changed.transactions, 'fill')}",
        f"           {counted(changed.holding_versions, 'version')} of holdings, {changed.position_versions:,} of "
        f"positions, {counted(changed.snapshots, 'snapshot')}, {counted(changed.pages, 'page')}",
    ):
        out.write(f"{line}\n")
    for lines in (_order_lines(story.orders), _move_lines(story)):
        for line in lines:
            out.write(f"{line}\n")


def _order_lines(orders: Sequence[OrderStory]) -> Iterator[str]:
    """Of each kind the number, and those orders that were seen in most states."""
    for kind in ORDER_KINDS:
        told = sorted((order for order in orders if kind in order.kinds), key=lambda order: -len(order.states))
        if told:
            yield f"  Orders {kind}: {len(told)}"
        for order in told[:EXAMPLES]:
            yield f"    {order.symbol:14}{order.side:5}" + " -> ".join(_states(order.states))


def _states(states: Sequence[State]) -> Iterator[str]:
    """Those that a person would tell apart; of a long trail the first ones and the last."""
    told = [next(group) for _, group in groupby(states, lambda each: (each.status, each.filled, each.quantity))]
    for number, state in enumerate(told):
        if number < LONGEST_TRAIL - 1 or number == len(told) - 1:
            yield _state(state)
        elif number == LONGEST_TRAIL - 1:
            yield "..."


def _state(state: State) -> str:
    price = "" if state.price is None else f" at {state.price:,.2f}"
    when, status = _moment(state.changed_at or state.detected_at), state.status.lower().replace("_", " ")
    return f"{when} {status} {_units(state.filled)}/{_units(state.quantity)}{price}"


def _move_lines(story: Story) -> Iterator[str]:
    for kind in HOLDING_KINDS:
        told = [move for move in story.moves if move.kind == kind]
        if told:
            shown = ", ".join(f"{move.symbol} {_units(move.quantity)} on {move.as_of}" for move in told[:3])
            more = f", and {len(told) - 3} more" if len(told) > 3 else ""
            yield f"  Holdings {kind}: {shown}{more}"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _units(value: Decimal) -> str:
    return f"{value.normalize():,f}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(IST):%d %b %H:%M}"
