"""Tables of the present that were edited, emptied or filled by hand are found, named and made again from the book."""

import json
import threading
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portfolio.ids import new_id, new_uuid
from portfolio.models import AccountHead, BrokerAccount, Event, LedgerPage, RealHolding, RealPosition
from portfolio.rebuild import Difference, rebuild
from tests import build, emptying
from tests.randombook import captures, tables
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.test_commands import run

pytestmark = pytest.mark.database

At = Callable[[str], None]
FEW = settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def account(broker: Broker) -> BrokerAccount:
    """TCS and ITC held, TCS open as a position, prices known."""
    account = build.an_account("SCRIPTED")
    broker.says.update(
        holdings=[build.a_holding(), build.a_holding("ITC", 5)], positions=[build.a_position(quantity=3)]
    )
    broker.prices = {"TCS": Decimal(3000), "ITC": Decimal(400)}
    build.synced(account)
    return account


def rebuilt(account: BrokerAccount, repair: bool = True) -> list[tuple[str, str, str, str, str]]:
    ((_, found),) = rebuild([account], repair)
    return [tuple(difference[1:]) for difference in found]  # type: ignore[misc]


@given(seed=st.integers(0, 10**6))
@FEW
def test_a_random_book_gives_its_tables_again_after_they_were_wiped(broker: Broker, at: At, seed: int) -> None:
    emptying.empty()  # prices are shared: those of an earlier example were observed later
    account = build.an_account("SCRIPTED")
    list(captures(Random(seed), broker, at, account))
    before = tables(account)
    assert rebuilt(account, repair=False) == []
    account.holdings.all().delete()
    account.positions.all().delete()
    lost = rebuilt(account)
    assert len(lost) == len(before["holdings"]) + len(before["positions"])
    assert (tables(account), rebuilt(account)) == (before, [])


def edit(account: BrokerAccount, **values: Any) -> None:
    RealHolding.objects.filter(broker_account=account, symbol="TCS").update(**values)


EDITS: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "a quantity": ({"owned_quantity": Decimal(12)}, [("owned_quantity", "12", "10")]),
    "a name": ({"symbol": "TCX", "isin": ""}, [("isin", "", build.ISINS["TCS"]), ("symbol", "TCX", "TCS")]),
    "a price": ({"current_price": Decimal(1)}, [("current_price", "1", "3000")]),
    "a value": ({"current_value": Decimal(7)}, [("current_value", "7", "30000")]),
    "a mark": ({"unconfirmed_since": "2026-10-05"}, [("unconfirmed_since", "2026-10-05", "None")]),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_holding_is_named_and_mended(account: BrokerAccount, what: str) -> None:
    values, expected = EDITS[what]
    before = tables(account)
    edit(account, **values)
    named = [("real_holdings", "TCS DELIVERY", *each) for each in expected]
    assert sorted(rebuilt(account)) == sorted(named)
    assert (tables(account), rebuilt(account)) == (before, [])


def test_a_row_that_nobody_saw_is_taken_away(account: BrokerAccount) -> None:
    row = RealPosition.objects.get()
    row.pk, row.product = new_uuid(), "MIS"
    row.save(force_insert=True)
    assert rebuilt(account) == [("real_positions", "TCS CASH MIS", "", "a row", "no row")]
    assert [row.product for row in account.positions.all()] == ["CNC"]


def test_checking_mends_nothing(account: BrokerAccount) -> None:
    edit(account, owned_quantity=Decimal(12))
    assert len(rebuilt(account, repair=False)) == len(rebuilt(account, repair=False)) == 1
    assert Event.objects.filter(kind="account.rebuilt").count() == 0


def test_the_price_that_another_account_saw_later_is_no_difference(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    broker.prices["TCS"] = Decimal(3001)
    at("2026-10-05 16:10")
    other = build.an_account("SCRIPTED", "S2")
    build.synced(other)
    assert rebuilt(account) == rebuilt(other) == []


def test_a_head_that_was_set_back_is_set_right(account: BrokerAccount, broker: Broker, at: At) -> None:
    last = LedgerPage.objects.get(head__account=account)
    AccountHead.objects.filter(account=account).update(
        page_number=0, page_hash=bytes(32), placed_number=9, opened_on=None
    )
    found = rebuilt(account)
    assert [(column, expected) for _, _, column, _, expected in found] == [
        ("page_number", "1"), ("page_hash", bytes(last.hash).hex()), ("placed_number", "0"),
        ("opened_on", "2026-10-01"),
    ]  # fmt: skip
    at("2026-10-05 16:20")
    build.synced(account)
    assert recomputed.check_all_pages() > 0


def test_what_was_mended_is_told_and_the_next_sync_reads_every_row(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    edit(account, owned_quantity=Decimal(12))
    rebuilt(account)
    told = Event.objects.filter(broker_account=account).latest("number")
    assert (told.kind, told.payload) == ("account.rebuilt", f'{{"account":"{account.pk}","differences":1}}')
    at("2026-10-05 16:20")
    (result,) = build.synced(account)
    assert (result.capture.sections["holdings"].state, result.made.counts) == ("accepted", {})
    assert rebuilt(account) == []


def test_it_works_while_syncs_run(account: BrokerAccount, broker: Broker) -> None:
    broker.says["holdings"] = lambda: [build.a_holding(quantity=len(broker.asked))]
    found: list[Difference] = []

    def check() -> None:
        for _ in range(10):
            found.extend(difference for _, each in rebuild([account], repair=True) for difference in each)
        connections.close_all()

    checking = threading.Thread(target=check)
    checking.start()
    for _ in range(5):
        build.synced(account)
    checking.join()
    assert found == []
    recomputed.check_all_pages()


def test_the_command_names_each_difference_and_its_exit_code_tells(account: BrokerAccount) -> None:
    edit(account, owned_quantity=Decimal(12))
    line = "  real_holdings TCS DELIVERY: owned_quantity 12; the book says 10\n"
    end = "1 account, 1 difference; run it without --check to mend them\n"
    assert run("rebuild", "--check") == (1, f"SCRIPTED S1\n{line}{end}", "")
    code, out, _ = run("rebuild", "--check", "--json", "--account", account.pk)
    (difference,) = json.loads(out)["differences"]
    assert (code, difference["found"], difference["expected"]) == (1, "12", "10")
    assert run("rebuild") == (0, f"SCRIPTED S1\n{line}1 account, 1 difference; all are mended\n", "")
    assert run("rebuild", "--check") == (0, "1 account, 0 differences\n", "")


def test_an_account_that_is_not_there_is_bad_input() -> None:
    missing = new_id()
    assert run("rebuild", "--account", missing) == (2, "", f"no account has the id {missing}")
