"""A broker that says for ten trading days that nothing is held, and then is right again."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ledger.answers import Answer
from ledger.entries import Holding
from portfolio.models import BrokerAccount
from portfolio.sync.answer import accepted, answer
from portfolio.sync.questions import open_questions
from simulators.market import trading_days
from tests import build
from tests.sync.month import bridge
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]
HELD = [build.a_holding("TCS", 10), build.a_holding("INFY", 25), build.a_holding("SBIN", 5)]
OWNED = {"TCS": 10, "INFY": 25, "SBIN": 5}
MONDAY, *WRONG, RIGHT_AGAIN = trading_days(date(2026, 10, 5), 12)


@pytest.fixture
def account(broker: Broker, at: At) -> BrokerAccount:
    """Three holdings, taken on the evening before."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = HELD
    evening(at, account, MONDAY)
    broker.says["holdings"] = []
    return account


def evening(at: At, account: BrokerAccount, day: date) -> Any:
    at(f"{day} 16:05")
    return build.synced(account)[0]


def owned(account: BrokerAccount) -> dict[str, int]:
    return {symbol: int(units) for symbol, units in account.holdings.values_list("symbol", "owned_quantity")}


def questions(account: BrokerAccount) -> list[tuple[int, str, int]]:
    """With their numbers."""
    changes = account.holding_changes.exclude(unexplained_quantity=0).order_by("question_number")
    return [(int(each.question_number or 0), each.symbol, int(each.unexplained_quantity)) for each in changes]


def test_its_word_is_taken_on_the_second_day_with_a_question_a_share_and_so_is_its_return(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    statuses = [(evening(at, account, day).status, owned(account)) for day in WRONG]
    assert statuses == [("PARTIAL", OWNED), *[("COMPLETED", {})] * 9]
    gone = questions(account)
    assert Counter({symbol: -units for _, symbol, units in gone}) == OWNED
    broker.says["holdings"] = HELD
    assert (evening(at, account, RIGHT_AGAIN).status, owned(account)) == ("COMPLETED", OWNED)
    asked = questions(account)
    assert (asked[:3], [number for number, *_ in asked]) == (gone, [1, 2, 3, 4, 5, 6])
    assert {symbol: units for _, symbol, units in asked[3:]} == OWNED
    assert bridge(account) == {row.isin: row.owned_quantity for row in account.holdings.all()}
    assert account.events.filter(kind="question.opened").count() == 2


def test_each_share_that_is_shown_again_is_one_answer_and_both_of_its_questions_propose_it(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    """Nothing answers itself: shares that went elsewhere and came back look the same."""
    for day in WRONG:
        evening(at, account, day)
    broker.says["holdings"] = HELD
    evening(at, account, RIGHT_AGAIN)
    first = {each.question.number: each.proposals[0] for each in open_questions(account)}
    assert {proposal.answer for proposal in first.values()} == {Answer("MOVED_BACK")}
    pairs = sorted({proposal.questions for proposal in first.values()})
    assert (list(first), sorted(number for pair in pairs for number in pair)) == ([1, 2, 3, 4, 5, 6],) * 2
    for number, _ in pairs:
        answer(account, accepted(account, number, "Asha"))
    assert open_questions(account) == []
    assert bridge(account) == {row.isin: row.owned_quantity for row in account.holdings.all()}


def test_what_is_bought_meanwhile_speaks_against_it_on_each_of_the_days(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    for day in WRONG:
        given = build.MORNING.replace(month=day.month, day=day.day)
        orders = [build.an_order(f"{s}{day}", 1, 1, symbol=s, isin=build.ISINS[s], created_at=given) for s in OWNED]
        broker.says.update(orders=orders, trades=[build.a_trade(each, trade_id=each.order_id) for each in orders])
        assert evening(at, account, day).status == "PARTIAL"
        assert owned(account) == OWNED
    broker.says.update(orders=[], trades=[])
    broker.says["holdings"] = [_with_ten_more(each) for each in HELD]
    assert evening(at, account, RIGHT_AGAIN).status == "COMPLETED"
    assert owned(account) == {symbol: units + 10 for symbol, units in OWNED.items()}
    assert questions(account) == []


def _with_ten_more(held: Holding) -> Holding:
    return held._replace(quantity=held.quantity + 10, owned=held.owned + 10)
