"""manage.py cost: cost and days of what is owned follow the fills, and what a person says that became of a share."""

import json
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from portfolio.corrections import Author, revise, void
from portfolio.cost import costs
from portfolio.models import BrokerAccount, Transaction
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_bridge import evening, left_open, order
from tests.test_explain import At, explain, moved, split
from tests.test_import_statement import OURS, imported
from tests.test_import_statement import file as file  # the fixture

pytestmark = pytest.mark.database


def told(account: BrokerAccount) -> dict[str, list[tuple[str, int, str]]]:
    """By ISIN: day, units and cost of each lot."""
    return {
        cost.isin: [(str(lot.since), int(lot.quantity), f"{lot.cost:.2f}") for lot in cost.lots]
        for cost in costs(account)
    }


def test_what_was_there_at_first_stands_at_the_brokers_average_and_a_split_divides_it(broker: Broker, at: At) -> None:
    (account,) = split(broker, at)
    assert told(account) == {"INE467B01029": [("None", 100, "3000.00")]}  # 500 more are a question

    explain(1, "accept")

    assert told(account) == {"INE467B01037": [("None", 500, "600.00")]}


def test_bonus_shares_cost_nothing_and_are_of_the_day_they_came(broker: Broker, at: At) -> None:
    (account,) = moved(broker, at, build.a_holding(quantity=200, average=1500))

    explain(1, "bonus", "1:1")

    assert told(account) == {"INE467B01029": [("None", 100, "3000.00"), ("2026-10-06", 100, "0.00")]}
    (cost,) = costs(account)
    assert (cost.quantity, cost.cost, cost.total) == (200, 1500, 300_000)


def test_a_demerger_takes_its_part_of_the_cost_along(broker: Broker, at: At) -> None:
    before = [build.a_holding("ITC", 40, 400)]
    after = [build.a_holding("ITC", 40, 380), build.a_holding("ITCHOTELS", 4, 200, isin="INE379A01028")]
    (account,) = moved(broker, at, *after, before=before)

    explain(1, "accept")

    assert told(account) == {"INE154A01025": [("None", 40, "380.00")], "INE379A01028": [("None", 4, "200.00")]}


def test_what_is_bought_after_the_opening_has_its_day_and_its_price(broker: Broker, at: At) -> None:
    broker.says["holdings"] = [build.a_holding(quantity=100, average=3000)]
    account = build.an_account("SCRIPTED", "S1")
    build.synced(account)
    at("2026-10-06 16:05")
    order = build.an_order(quantity=10, filled=10, price=Decimal(3100), created_at=build.MORNING.replace(day=6))
    broker.says |= {"orders": [order], "trades": [build.a_trade(order)]}
    build.synced(account)

    assert told(account) == {"INE467B01029": [("None", 100, "3000.00"), ("2026-10-06", 10, "3100.00")]}
    assert [cost.quantity for cost in costs(account, as_of=build.MORNING.date())] == [100]


def test_an_imported_statement_tells_days_and_costs_of_what_was_there(
    broker: Broker, at: At, file: Callable[..., Path]
) -> None:
    broker.says["holdings"] = [build.a_holding(quantity=100, average=3000)]
    account = build.an_account("SCRIPTED", "S1")
    build.synced(account)

    imported(file(OURS, "2026-09-01,buy,60,2900,TCS,INE467B01029"), account, "--accept")

    assert told(account) == {"INE467B01029": [("None", 40, "3150.00"), ("2026-09-01", 60, "2900.00")]}


def test_fills_of_an_old_isin_tell_days_and_costs_of_what_an_opening_found_in_its_place(
    broker: Broker, at: At, file: Callable[..., Path]
) -> None:
    split(broker, at)
    explain(1, "accept")
    account = build.an_account("SCRIPTED", "S2")
    build.synced(account)  # 500 under the new ISIN, 600 rupees each

    old = "TCS,INE467B01029"
    imported(file(OURS, f"2026-09-01,buy,60,2900,{old}", f"2026-09-02,buy,20,3100,{old}"), account, "--accept")

    assert told(account) == {
        "INE467B01037": [("None", 100, "640.00"), ("2026-09-01", 300, "580.00"), ("2026-09-02", 100, "620.00")]
    }


def test_past_fills_of_what_an_opening_did_not_find_are_nothing_that_is_owned(
    broker: Broker, at: At, file: Callable[..., Path]
) -> None:
    broker.says["holdings"] = [build.a_holding(quantity=100, average=3000)]
    account = build.an_account("SCRIPTED", "S1")
    build.synced(account)

    imported(file(OURS, "2026-09-01,buy,60,1500,INFY,INE009A01021"), account, "--accept")

    assert told(account) == {"INE467B01029": [("None", 100, "3000.00")]}


def test_a_share_whose_fills_name_no_isin_has_its_own(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    evening(broker, at, 5, {"TCS": 100})
    build.synced(account)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10, "INFY"))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 100, "INFY": 10})
    build.synced(account)
    assert [(cost.symbol, cost.isin) for cost in costs(account)] == [
        (symbol, build.ISINS[symbol]) for symbol in ("INFY", "TCS")
    ]


def test_a_fill_that_is_corrected_after_its_share_was_split_was_never_split(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    evening(broker, at, 5, {"TCS": 100})
    build.synced(account)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10))
    build.synced(account)
    evening(broker, at, 7, {})
    broker.says["holdings"] = [build.a_holding(quantity=550, isin="INE467B01037")]
    build.synced(account)
    explain(1, "split", "1:5")
    at("2026-10-08 10:00")
    fill, asha = Transaction.objects.get().source_id, Author("Asha", "the contract note")
    for changes, bought, left in (
        ({"quantity": Decimal(8)}, 40, 10),
        (None, 0, 50),
        ({"quantity": Decimal(10)}, 50, 0),
    ):
        revise(account, fill, changes, asha) if changes else void(account, fill, asha)
        lots = [("None", 500, "440.00"), *([("2026-10-06", bought, "600.00")] if bought else [])]
        assert told(account) == {"INE467B01037": lots}
        assert sum(left_open(account).values()) == left
    recomputed.check_all_pages()


def test_a_split_that_was_seen_later_is_no_part_of_the_time_before(
    broker: Broker, at: At, file: Callable[..., Path]
) -> None:
    (account,) = split(broker, at)
    explain(1, "accept", "--on", "2026-10-01")
    imported(file(OURS, "2026-09-01,buy,100,2900,TCS,INE467B01029"), account, "--accept")

    assert told(account) == {"INE467B01037": [("2026-09-01", 500, "580.00")]}


def test_shares_keep_their_days_and_costs_when_they_move_to_another_lot(broker: Broker, at: At) -> None:
    moved(broker, at, build.a_holding(quantity=60), build.a_holding(quantity=40, lot="MTF"))
    (account,) = BrokerAccount.objects.all()

    found = {cost.lot: [(str(lot.since), lot.quantity, lot.cost) for lot in cost.lots] for cost in costs(account)}
    assert found == {"DELIVERY": [("None", 60, 3000)], "MTF": [("None", 40, 3000)]}


def test_the_command_prints_lots_and_says_what_is_not_known(broker: Broker, at: At) -> None:
    (account,) = moved(broker, at, build.a_holding(quantity=130))
    explain(1, "transfer-in")
    out = StringIO()
    call_command("cost", stdout=out)
    assert out.getvalue().splitlines() == [
        str(account),
        "  TCS                             130 at    not known =       not known",
        "    before                        100 at     3,000.00",
        "    2026-10-06                     30 at    not known",
    ]
    out = StringIO()
    call_command("cost", "--account", str(account.pk), "--json", stdout=out)
    ((cost,),) = json.loads(out.getvalue()).values()
    assert (cost["symbol"], cost["quantity"], cost["total"], len(cost["lots"])) == ("TCS", "130", None, 2)
