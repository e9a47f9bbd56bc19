"""What a person is told of an account adds up, or says why it does not."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from portfolio import report
from portfolio.triggers.base import UnexpectedReply
from portfolio.values import as_values
from tests import build
from tests.sync.scripted import Broker
from tests.sync.test_absent_positions import a_future

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    ("traded", "price_day_passed", "note"),
    [
        (build.a_position(bought=5), False, "  with +15,000.00 that was traded that day and is not in holdings yet"),
        (build.a_position("INFY", 2), False, "  with +3,000.00 that was traded that day and is not in holdings yet"),
        (build.a_position(bought=5), True, ""),
        (build.a_position("INFY", 2, product="MIS"), False, ""),
    ],
)
def test_a_total_that_the_list_does_not_add_up_to_says_why(
    broker: Broker, at: Any, traded: Any, price_day_passed: bool, note: str
) -> None:
    broker.says.update(holdings=[build.a_holding()], positions=[traded])
    broker.prices = {"TCS": Decimal(3000), "INFY": Decimal(1500)}
    account = build.an_account("SCRIPTED")
    build.synced(account)
    if price_day_passed:
        at("2026-10-06 12:00")
        broker.prices = {"TCS": Decimal(3001)}
        build.synced(account)
    out = StringIO()
    report.write_account(out, account)
    (line,) = (each for each in out.getvalue().splitlines() if each.startswith("    holdings"))
    assert line == f"    holdings{account.snapshots.get().total_holdings_value:>36,.2f}{note}"


def test_what_is_missing_and_stands_unconfirmed_is_said_each_time_until_it_is_shown_again(
    broker: Broker, at: Any
) -> None:
    shown = [build.a_holding("TCS", 10), build.a_holding("INFY", 25), build.a_holding("SBIN", 5)]
    carried = [a_future("NIFTY26NOVFUT", 65), a_future("SBIN26NOVFUT", 750)]
    broker.says.update(holdings=shown, positions=carried)
    account = build.an_account("SCRIPTED")
    at("2026-10-05 16:05")
    assert said_in(build.synced(account)[0]) == ([], {})

    at("2026-10-06 16:05")
    broker.says.update(holdings=shown[:2], positions=carried[:1])
    said = [
        "      holdings: missing, and nothing says why: SBIN",
        "        -> what is missing stands, unconfirmed, until a later trading day agrees",
        "      positions: missing, and nothing says why: SBIN26NOVFUT",
        "        -> what is missing stands, unconfirmed, until a later trading day agrees",
    ]
    for _ in range(2):
        names = {"holdings": "SBIN", "positions": "SBIN26NOVFUT"}
        assert said_in(build.synced(account)[0]) == (said, names)

    broker.says.update(holdings=shown, positions=carried)
    assert said_in(build.synced(account)[0]) == ([], {})


def test_questions_are_said_by_the_sync_that_raised_them(broker: Broker, at: Any) -> None:
    broker.says.update(holdings=[build.a_holding("TCS", 10), build.a_holding("INFY", 25)])
    account = build.an_account("SCRIPTED")
    at("2026-10-05 16:05")
    first = build.synced(account)[0]
    at("2026-10-06 16:05")
    broker.says.update(holdings=[build.a_holding("TCS", 9), build.a_holding("INFY", 30)])
    raised, again = build.synced(account)[0], build.synced(account)[0]
    assert [below(each) for each in (first, again)] == [[], []]
    assert below(raised) == [
        "      questions: shares moved, and nothing says why: 1, 2",
        "        -> see what they look like: manage.py explain",
    ]
    assert [as_values(each)["questions"] for each in (first, raised, again)] == [[], [1, 2], []]


def test_fills_that_were_not_asked_wait_for_the_orders_and_not_for_nothing(broker: Broker) -> None:
    broker.says.update(holdings=[build.a_holding()], orders=UnexpectedReply("a web page"))
    (result,) = build.synced(build.an_account("SCRIPTED"))
    assert below(result) == [
        "      orders: a web page",
        "        -> report it, and try again later",
        "      trades: the orders did not come, so their fills were not asked",
        "        -> they are asked once the orders have come",
    ]


@pytest.mark.parametrize(("section", "kind"), [("positions", "Position"), ("orders", "Order"), ("funds", "Funds")])
def test_of_other_sections_than_holdings_dicts_are_refused_with_what_is_wanted(
    broker: Broker, section: str, kind: str
) -> None:
    broker.says.update({"holdings": [build.a_holding()], section: [{"symbol": "TCS"}]})
    (result,) = build.synced(build.an_account("SCRIPTED"))
    assert below(result)[0] == (
        f"      {section}: fetch_{section}() gave rows of dict; ledger.entries.{kind} are wanted"
    )


def below(result: Any) -> list[str]:
    """What stands below an account's line."""
    out = StringIO()
    report.write_line(out, result, "account")
    return out.getvalue().splitlines()[1:]


def said_in(result: Any) -> tuple[list[str], Any]:
    """And what is unconfirmed for a program."""
    return below(result), as_values(result)["unconfirmed"]
