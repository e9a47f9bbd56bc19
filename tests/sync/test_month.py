"""A month of two simulated investors: every share, order, fill and rupee as it was, and every page proven."""

from decimal import Decimal

import pytest

from simulators.scripts import BONUS_DAY, DAYS, SPLIT_DAY
from tests import emptying
from tests.sync.month import MORNING, Month, live

pytestmark = pytest.mark.database

WAYS = {
    "two looks a day": (("11:00", "16:05"), {}),
    "holdings in the mornings": ((MORNING, "16:05"), {}),
    "sales lower holdings at once": (("16:05",), {"fno_trades_404": True, "sales_lower_holdings_at_once": True}),
    "T+1 inside the quantity": (("19:00",), {"t1_inside_quantity": True}),
}


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.replace(" ", "-"))
def month(request: pytest.FixtureRequest, _migrated: None) -> Month:
    """Lived once a way: what is compared is read before the tables are emptied again."""
    clocks, switches = WAYS[request.param]
    lived = live(clocks, **switches)
    emptying.empty()
    return lived


def test_every_capture_of_the_month_is_whole(month: Month) -> None:
    assert month.problems == []
    assert set(month.batches) == {"COMPLETED"}


def test_every_evening_the_book_owns_what_the_investor_owns(month: Month) -> None:
    assert {key: ours["owned"] for key, (ours, _) in month.days.items()} == {
        key: theirs["owned"] for key, (_, theirs) in month.days.items()
    }


@pytest.mark.parametrize("figure", ["value", "cash", "orders", "fills"])
def test_every_snapshot_shows_what_was_there(month: Month, figure: str) -> None:
    assert {key: ours[figure] for key, (ours, _) in month.days.items()} == {
        key: theirs[figure] for key, (_, theirs) in month.days.items()
    }


def test_only_corporate_actions_and_transfers_are_open_questions(month: Month) -> None:
    asked = {(day, symbol, units > 0) for day, symbol, units in month.questions}
    assert asked == {
        (SPLIT_DAY, "MARUTI", False),
        (SPLIT_DAY, "MARUTI", True),
        (BONUS_DAY, "ITC", True),
        (DAYS[17], "KOTAKBANK", True),
        (DAYS[19], "TITAN", False),
    }
    assert [units for _, symbol, units in month.questions if symbol in ("KOTAKBANK", "TITAN")] == [
        Decimal(30),
        Decimal(-5),
    ]


def test_every_order_stands_in_the_book_as_it_ended(month: Month) -> None:
    ours, theirs = month.orders
    assert ours == theirs


def test_every_fill_stands_in_the_book_once(month: Month) -> None:
    ours, theirs = month.fills
    assert ours == theirs


def test_every_page_follows_from_the_rows_in_the_database(month: Month) -> None:
    """The recomputation itself fails on the first difference; here, that it covered a whole month."""
    assert month.leaves > 1000
