"""Faults that were found by looking: each stays mended."""

from collections.abc import Callable
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from ledger.normalise import IST
from portfolio import replies
from portfolio.accounts import disable
from portfolio.models import BrokerAccount, OrderVersion, RawReply
from portfolio.triggers.base import Answer, Reply
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]


def test_the_fills_of_an_order_id_used_again_are_asked_again(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    for day in (5, 6):
        at(f"2026-10-0{day} 16:05")
        order = build.an_order(filled=10, created_at=build.MORNING + timedelta(days=day - 5))
        broker.says.update(orders=[order], trades=[build.a_trade(order, trade_id=f"T{day}")])
        build.synced(account)
    assert sorted(account.transactions.values_list("trade_date__day", flat=True)) == [5, 6]


def test_an_account_that_is_disabled_during_its_sync_stays_disabled(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")

    def meanwhile() -> list[Any]:
        disable(account, "closed by its owner")
        return [build.a_holding()]

    broker.says["holdings"] = meanwhile
    build.synced(account)
    assert BrokerAccount.objects.get(pk=account.pk).state == "disabled"


def test_a_suspect_section_alone_is_partial_and_the_account_is_not_failing(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = {"holdings": [build.a_holding()]}
    build.synced(account)
    at("2026-10-06 16:05")
    broker.says = {"holdings": []}
    (result,) = build.synced(account)
    assert (result.status, BrokerAccount.objects.get(pk=account.pk).state) == ("PARTIAL", "active")


def test_a_value_that_cannot_be_sent_fails_its_account_alone(broker: Broker) -> None:
    account, sound = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "SOUND")
    broker.says["holdings"] = [build.a_holding()]
    odd = build.a_holding()._replace(quantity=Decimal("NaN"), owned=Decimal(1))
    reply = Reply("GET /holdings", 200, b"odd", build.MORNING)
    broker.others["S1"] = {"holdings": Answer([reply], lambda replies: ([odd], []))}
    result, other = build.synced(account, sound)
    assert (result.status, other.status) == ("FAILED", "COMPLETED")


@pytest.mark.parametrize("zone", [IST, None])
def test_a_trigger_that_says_times_of_india_leaves_a_book_that_proves(broker: Broker, zone: timezone | None) -> None:
    account, moment = build.an_account("SCRIPTED"), build.MORNING.astimezone(IST).replace(tzinfo=zone)
    order = build.an_order()._replace(created_at=moment, exchange_time=moment)
    reply = Reply("GET /orders", 200, b"orders", moment)
    broker.says = {"holdings": [], "orders": Answer([reply], lambda _: ([order], []))}
    (result,) = build.synced(account)
    assert result.status == "COMPLETED"
    kept, known = RawReply.objects.get(request="GET /orders"), OrderVersion.objects.get()
    (noted,) = replies.told(kept.batch).of("orders")
    assert {kept.fetched_at, known.created_at, known.exchange_time, noted.fetched_at} == {build.MORNING}
    recomputed.check_all_pages()
