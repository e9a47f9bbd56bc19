"""A company's action in a stretch that nobody looked at, with fills on both sides of it, told by a statement later."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portfolio.cost import costs
from portfolio.models import BrokerAccount, InstrumentLink
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_bridge import explained, left_open
from tests.test_explain import explain, split
from tests.test_import_statement import OURS, imported

pytestmark = pytest.mark.database

At = Callable[[str], None]
FILLS = ("2026-10-06,BUY,10,3000", "2026-10-08,BUY,5,1500")


def missed(
    broker: Broker, at: At, folder: Path, before: list[Any], after: list[Any], symbol: str = "TCS"
) -> BrokerAccount:
    """`before` on Monday, `after` on Friday; a file tells of the fills between."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = before
    build.synced(account)
    at("2026-10-09 16:05")
    broker.says["holdings"] = after
    build.synced(account)
    (folder / "fills.csv").write_text("\n".join([OURS, *(f"{fill},{symbol},{build.ISINS[symbol]}" for fill in FILLS)]))
    imported(folder / "fills.csv", account, "--accept")
    return account


@pytest.fixture
def account(broker: Broker, at: At, tmp_path: Path) -> BrokerAccount:
    """100 TCS, 10 bought, doubled, 5 bought."""
    before, after = build.a_holding(quantity=100, average=3000), build.a_holding(quantity=225, average=1500)
    return missed(broker, at, tmp_path, [before], [after])


def lots(account: BrokerAccount) -> list[tuple[str, int, int]]:
    return [(str(lot.since), int(lot.quantity), int(lot.cost or 0)) for each in costs(account) for lot in each.lots]


def test_a_bonus_between_them_is_proposed_on_the_only_day_that_adds_up(account: BrokerAccount) -> None:
    assert left_open(account) == {1: 110}
    assert "looks like bonus 1:1: 110 became 220 by 2026-10-08, and what was traded since is 5" in explain(code=1)
    assert "closed: 1" in explain(1, "accept")
    assert (left_open(account), explained(account)) == ({}, 225)
    assert str(InstrumentLink.objects.get().effective_on) == "2026-10-08"
    assert sorted(lots(account)) == [
        ("2026-10-06", 10, 3000), ("2026-10-08", 5, 1500), ("2026-10-08", 110, 0), ("None", 100, 3000),
    ]  # fmt: skip
    recomputed.check_all_pages()


def test_a_split_between_them_divides_the_cost_of_what_was_there_alone(account: BrokerAccount) -> None:
    refused = explain(1, "split", "1:2", code=2)
    assert refused.endswith("230 of 115, and there are 225: 5 too few; say the day with --on, such as --on 2026-10-08")
    explain(1, "split", "1:2", "--on", "2026-10-07")
    assert lots(account) == [("None", 200, 1500), ("2026-10-06", 20, 1500), ("2026-10-08", 5, 1500)]


def test_another_account_is_offered_the_day_that_its_own_fills_fit(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    other = build.an_account("SCRIPTED", "B")
    at("2026-10-05 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=50, average=3000)]
    build.synced(other)
    at("2026-10-12 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=100, average=1500)]
    build.synced(other)
    explain(1, "accept", "--account", account.pk, "--everywhere")
    assert [left_open(each) for each in (account, other)] == [{}, {}]
    assert {str(link.effective_on) for link in InstrumentLink.objects.all()} == {"2026-10-08"}


def test_a_demerger_is_measured_by_the_parent_without_what_was_traded_since(
    broker: Broker, at: At, tmp_path: Path
) -> None:
    before = [build.a_holding("ITC", 100, 400)]
    after = [build.a_holding("ITC", 115, 400), build.a_holding("ITCHOTELS", 22, None, isin="INE379A01028")]
    account = missed(broker, at, tmp_path, before, after, "ITC")
    (number,) = left_open(account)
    words = (number, "demerger", "5:1", "--from", "ITC")
    explain(*words, "--on", "2026-10-07")
    assert left_open(account) == {}
    explain(number, "withdraw")
    assert "22: 1 too few; where ITC was traded since, say the day with --on" in explain(*words, code=2)


def test_a_split_of_a_day_before_the_account_was_first_seen_divides_what_was_there_then(broker: Broker, at: At) -> None:
    """Its shares came later: what the opening counted were the old ones."""
    (account,) = split(broker, at)
    explain(1, "accept", "--on", "2026-09-21")
    assert lots(account) == [("None", 500, 600)]


NEW = "INE467B01037"
INFY = build.a_holding("INFY", 5, 1000)


def held(account: BrokerAccount) -> list[tuple[str, int]]:
    return sorted((row.isin, int(row.owned_quantity)) for row in account.holdings.all())


def costed(account: BrokerAccount) -> list[tuple[str, int]]:
    return sorted((each.isin, int(each.quantity)) for each in costs(account))


def sold_unseen(
    broker: Broker, at: At, folder: Path, units: int, before: list[Any], after: list[Any], isin: str = NEW
) -> BrokerAccount:
    """`before` on Monday and `after` on Friday and Monday; so many of what is new were sold on Thursday, as a file
    tells later."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = before
    build.synced(account)
    broker.says["holdings"] = after
    for day in ("2026-10-09 16:05", "2026-10-12 16:05"):
        at(day)
        build.synced(account)
    (folder / "fills.csv").write_text("\n".join([OURS, f"2026-10-08,SELL,{units},1600,TCS,{isin}"]))
    imported(folder / "fills.csv", account, "--accept")
    return account


@pytest.mark.parametrize(("sold", "asked"), [(50, 1), (200, 2)])
def test_what_was_sold_of_a_new_isin_came_before_that(
    broker: Broker, at: At, tmp_path: Path, sold: int, asked: int
) -> None:
    left = [build.a_holding(quantity=200 - sold, average=1500, isin=NEW)] if sold < 200 else []
    account = sold_unseen(
        broker, at, tmp_path, sold, [build.a_holding(quantity=100, average=3000), INFY], [*left, INFY]
    )
    words = (asked, "split", "1:2", "--with", 3 - asked)
    refused = explain(*words, code=2)
    assert refused.endswith(", so it came earlier; say the day with --on, such as --on 2026-10-08")
    explain(*words, "--on", "2026-10-08")
    assert (left_open(account), costed(account)) == ({}, held(account))
    link = InstrumentLink.objects.get()
    assert (link.isin, link.successor_isin, str(link.effective_on)) == (build.ISINS["TCS"], NEW, "2026-10-08")


def test_what_was_sold_of_a_demerged_share_came_before_that(broker: Broker, at: At, tmp_path: Path) -> None:
    parent, hotels = build.a_holding("ITC", 100, 400), "INE379A01028"
    after = [parent, build.a_holding("ITCHOTELS", 15, None, isin=hotels)]
    account = sold_unseen(broker, at, tmp_path, 5, [parent], after, hotels)
    (number,) = left_open(account)
    words = (number, "demerger", "5:1", "--from", "ITC", "--cost-percent", 5)
    refused = explain(*words, code=2)
    assert refused.endswith(", so it came earlier; say the day with --on, such as --on 2026-10-08")
    explain(*words, "--on", "2026-10-08")
    assert (left_open(account), costed(account)) == ({}, held(account))


def test_what_a_file_tells_later_is_of_days_that_nobody_looked_at_then(broker: Broker, at: At, tmp_path: Path) -> None:
    """100, doubled, as many sold: nothing seemed to have moved, and somebody has looked since."""
    there = [build.a_holding(quantity=100, average=3000)]
    sold_unseen(broker, at, tmp_path, 100, there, there, build.ISINS["TCS"])
    assert "looks like bonus 1:1: 100 became 200 by 2026-10-08, and what was traded since is -100" in explain(code=1)


def test_as_many_as_there_were_before_days_that_were_looked_at_are_no_bonus(
    broker: Broker, at: At, tmp_path: Path
) -> None:
    account = build.an_account("SCRIPTED")
    for day, units in ((5, 10), (6, 10), (7, 100), (8, 100), (9, 110)):
        at(f"2026-10-{day:02} 16:05")
        broker.says["holdings"] = [build.a_holding(quantity=units, average=None)]
        build.synced(account)
    isin = build.ISINS["TCS"]
    (tmp_path / "fills.csv").write_text("\n".join([OURS, f"2026-10-06,BUY,90,3000,TCS,{isin}"]))
    imported(tmp_path / "fills.csv", account, "--accept")
    told = explain(code=1)
    assert told.index("looks like transfer-in") < told.index("or bonus 1:1: 10 became 20 by 2026-10-06")
    explain(2, "accept")
    assert (left_open(account), explained(account)) == ({}, 110)
    assert account.explanations.filter(kind="TRANSFER_IN").count() == 1
