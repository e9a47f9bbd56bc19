"""What one capture changes: diff, reconcile and the day's totals, turned into rows. Writes nothing.

Order matters: fills first, because they explain what happened to holdings; the snapshot last, because it
is made from all of it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain

from ledger.entries import Listing, Price

from .bridge import write_opening
from .capture import ACCEPTED, BESIDE, HOLDINGS, ORDERS, POSITIONS, TRADES, TRAILS, WHOLE, Capture
from .decision import Decision as Decision
from .decision import NotStanding, begin, listing_of
from .doubts import doubt_the_calendar, doubt_the_prices, tell_unknown_words
from .fills import take_fills
from .holdings import take_holdings
from .normalise import read_whole
from .orders import take_orders
from .positions import take_positions
from .quotes import take_quotes, update_prices
from .state import Book
from .totals import take_funds, write_snapshot
from .unlisted import compare_orders


def decide_each(
    captures: Iterable[Capture], books: Mapping[str, Book], instruments: Mapping[Listing, str], now: datetime
) -> tuple[list[Decision], list[Capture]]:
    """Each account for itself; those that could not be decided from a part of what was answered are read whole."""
    made: list[Decision] = []
    unsure: list[Capture] = []
    for capture in captures:
        try:
            made.append(decide(capture, books[capture.account_id], instruments, now))
        except NotStanding:
            unsure.append(read_whole(capture))
    return made, unsure


def decide(capture: Capture, book: Book, instruments: Mapping[Listing, str], now: datetime) -> Decision:
    """The whole of one account's change. Pure but for what it is handed; changes nothing of the capture.

    `instruments` may be those of a whole group: only the account's own are looked at.
    """
    mine = {listing: instruments[listing] for listing in wanted_listings(capture)}
    made = begin(capture, book, mine, now)
    if not made.is_quiet and not capture.is_broken:
        take_orders(made)
        tell_unknown_words(made)
        take_fills(made)
        doubt_the_calendar(made)
        take_quotes(made)
        positions = take_positions(made)
        doubt_the_prices(made)
        compare_orders(made)
        held = take_holdings(made, positions)
        write_opening(made, {key: each.holding for key, each in held.items()})
        take_funds(made)
        update_prices(made, held, positions)
        write_snapshot(made, held, positions)
    _remember(made)
    return made


def _remember(made: Decision) -> None:
    """Keeps what each believed section looked like; anything in doubt is compared afresh the next time."""
    doubted = {problem.section for problem in made.capture.problems}
    if made.has_marks:
        doubted.add(HOLDINGS)
    if made.memory.unconfirmed:
        doubted.add(POSITIONS)
    if doubted & {TRADES, TRAILS} or made.memory.unlisted:
        doubted.add(ORDERS)  # they tell whether fills or states are still missing
    for name, section in made.capture.sections.items():
        if section.state == ACCEPTED:
            made.memory.counts[name] = made.size(name)
            if made.capture.sync_type not in WHOLE:
                made.memory.snapshot_day = None  # the day's totals are without it
            made.memory.seen.pop(name, None)
            if section.seen and name not in (*doubted, TRADES, TRAILS):  # these are asked but once
                made.memory.seen[name] = section.seen
    if not made.is_quiet:
        made.memory.seen[BESIDE] = made.capture.seen_beside()


def wanted_listings(*captures: Capture) -> list[Listing]:
    """Every instrument that the accepted sections name."""
    names = (HOLDINGS, POSITIONS, ORDERS, TRAILS, TRADES)
    sections = (capture.sections.get(name) for capture in captures for name in names)
    rows = chain.from_iterable((*section.entries, *(section.gone or ())) for section in sections if section)
    return [listing_of(row) for row in rows if not isinstance(row, Price)]
