"""manage.py import_statement: fills of a share in whose place another came explain that one."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from portfolio.cost import costs
from portfolio.models import BrokerAccount
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_bridge import explained, left_open
from tests.test_import_statement import OURS, At, held, imported
from tests.test_import_statement import file as file  # the fixture

pytestmark = pytest.mark.database

NEW_TCS = "INE467B01037"


def in_the_place_of_another(broker: Broker, at: At, before: int, after: int) -> BrokerAccount:
    """What TCS became is known of another account. This one had `before` of it on Monday; nobody looked on Tuesday,
    and on Wednesday there were `after` under the new ISIN."""
    known = build.an_account("SCRIPTED", "KNOWN")
    broker.says["holdings"] = [build.a_holding(quantity=100)]
    build.synced(known)
    broker.says["holdings"] = [build.a_holding(quantity=before)] if before else [build.a_holding("ITC", 1)]
    account = build.an_account("SCRIPTED")
    build.synced(account)
    at("2026-10-07 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=500, isin=NEW_TCS)]
    build.synced(known)
    call_command("explain", "1", "split", "1:5", "--account", str(known.pk), stdout=StringIO())
    rest = [] if before else [build.a_holding("ITC", 1)]
    broker.says["holdings"] = [*rest, *([build.a_holding(quantity=after, isin=NEW_TCS)] if after else [])]
    build.synced(account)
    return account


OLD_FILL = f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}"


@pytest.mark.parametrize(
    ("after", "lines", "left"),
    [
        (50, [OLD_FILL], {}),
        (65, [OLD_FILL], {1: 15}),
        (35, [OLD_FILL, OLD_FILL.replace("BUY,10", "SELL,3")], {}),
        (0, [OLD_FILL], {1: -50}),  # what holdings never showed is asked for as what they ought to have shown
    ],
)
def test_fills_of_an_old_isin_explain_what_came_in_its_place(
    broker: Broker, at: At, file: Any, after: int, lines: list[str], left: dict[int, int]
) -> None:
    account = in_the_place_of_another(broker, at, 0, after)
    at("2026-10-08 10:00")
    imported(file(OURS, *lines), account, "--accept")
    assert left_open(account) == left
    assert explained(account) == 1 + after
    used = account.explanations.exclude(kind="OPENING").values_list("kind", "isin", "dated", "quantity")
    units = 10 if len(lines) == 1 else 7
    assert sorted((kind, isin, f"{dated:%d}", int(quantity)) for kind, isin, dated, quantity in used) == [
        ("FILLS", build.ISINS["TCS"], "06", units),
        ("SPLIT", build.ISINS["TCS"], "07", -units),
        ("SPLIT", NEW_TCS, "07", 5 * units),
    ]
    recomputed.check_all_pages()


@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_bought_of_a_share_before_it_was_split_was_split_with_it(
    broker: Broker, at: At, file: Any, is_known: bool
) -> None:
    """100 on Monday, 10 bought on Tuesday when nobody looked, 550 under the new ISIN on Wednesday."""
    account = in_the_place_of_another(broker, at, 100, 550)
    if not is_known:
        (known,) = BrokerAccount.objects.exclude(pk=account.pk)
        call_command("explain", "1", "withdraw", "--account", str(known.pk), stdout=StringIO())
    assert left_open(account) == {1: -100, 2: 550}
    at("2026-10-08 10:00")
    imported(file(OURS, OLD_FILL), account, "--accept")
    assert left_open(account) == {1: -110, 2: 550}
    call_command("explain", "1", "split", "1:5", "--account", str(account.pk), stdout=StringIO())
    assert (left_open(account), explained(account)) == ({}, 550)
    (cost,) = costs(account)
    assert [(str(lot.since), lot.quantity, lot.cost) for lot in cost.lots] == [
        ("None", 500, 440), ("2026-10-06", 50, 600),
    ]  # fmt: skip


def test_what_was_bought_before_a_look_that_did_not_show_it_is_another_question(
    broker: Broker, at: At, file: Any
) -> None:
    account = held(broker, at)
    for day, isin, units in ((7, build.ISINS["TCS"], 100), (8, NEW_TCS, 500)):
        at(f"2026-10-{day:02} 16:05")
        broker.says["holdings"] = [build.a_holding(quantity=units, isin=isin)]
        build.synced(account)
    at("2026-10-09 10:00")
    imported(file(OURS, OLD_FILL), account, "--accept")
    assert left_open(account) == {1: -100, 2: 500, 3: -10}


def test_what_an_old_isin_explains_is_not_expected_again_and_its_cost_and_day_go_along(
    broker: Broker, at: At, file: Any
) -> None:
    account = in_the_place_of_another(broker, at, 0, 50)
    at("2026-10-08 10:00")
    imported(file(OURS, OLD_FILL), account, "--accept")
    at("2026-10-08 16:05")
    build.synced(account)
    (cost,) = (each for each in costs(account) if each.symbol == "TCS")
    assert (left_open(account), cost.isin) == ({}, NEW_TCS)
    assert [(str(lot.since), lot.quantity, lot.cost) for lot in cost.lots] == [("2026-10-06", 50, 600)]


def test_a_fill_is_found_under_the_isin_that_its_share_has_by_now(broker: Broker, at: At, file: Any) -> None:
    account = in_the_place_of_another(broker, at, 0, 50)
    at("2026-10-08 10:00")
    imported(file(OURS, OLD_FILL), account, "--accept")
    renamed = f"2026-10-06,BUY,10,3000,TCSNEW,{NEW_TCS}"
    assert "new, written: 0; in the book already: 1" in imported(file(OURS, renamed), account, "--accept")
    assert (left_open(account), explained(account)) == ({}, 51)
