"""What the local Zerodha can do wrong, in each section: a stated end, and nothing of the old state lost.

A small choice of the faults that the local Groww goes through whole, since what follows the trigger is the same code.
"""

from typing import Any

import pytest

from portfolio.models import PortfolioSnapshot, RealHolding
from portfolio.triggers import client
from simulators.market import Market
from simulators.scripts import random_investor
from tests import build
from tests.sync import recomputed
from tests.sync.test_faults import SOUND, Struck, rows_of

pytestmark = pytest.mark.database

SECTIONS = {
    "holdings": "/portfolio/holdings",
    "positions": "/portfolio/positions",
    "orders": "/orders",
    "trades": "/trades",
    "funds": "/user/margins",
}
FAILS = {
    "html_200": "unexpected_reply",
    "truncated": "unexpected_reply",
    "401": "login_required",
    "429": "rate_limited",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(client, "LONGEST_PAUSE", 0.001)


def evening(kind: str, sections: list[str], **options: Any) -> dict[str, Struck]:
    """A sound Monday, and a Tuesday on which the fault strikes each section of another account."""
    market, wanted = Market(), [*sections, SOUND]
    people = [
        random_investor(market, f"100000000{n}", n, holdings=4, positions=2, orders=3) for n in range(len(wanted))
    ]
    with build.zerodha(*people) as simulator:
        portfolio = build.a_portfolio()
        connected = [build.a_zerodha_account(simulator, person.ucc, portfolio) for person in people]
        build.synced(*connected)
        before = [rows_of(section, account) for section, account in zip(wanted, connected, strict=True)]
        simulator.move_to("2026-10-06 16:05")
        for section, person, account in zip(wanted, people, connected, strict=True):
            build.log_in(simulator, person.ucc, account)
            if section != SOUND:
                simulator.fault(kind, SECTIONS[section], ucc=person.ucc, **options)
        results = build.synced(*connected)
    return {
        section: Struck(account, old, result, len(person.orders), {h.isin: h.total for h in person.holdings})
        for section, account, old, result, person in zip(wanted, connected, before, results, people, strict=True)
    }


@pytest.mark.parametrize("kind", FAILS)
def test_a_fault_ends_its_section_and_loses_nothing(kind: str) -> None:
    struck = evening(kind, list(SECTIONS), **({"retry_after": 0} if kind == "429" else {}))
    sound = struck.pop(SOUND)
    assert (sound.result.status, sound.result.capture.problems) == ("COMPLETED", [])
    told = {section: [each.kind for each in one.told(section)] for section, one in struck.items()}
    assert told == {section: [FAILS[kind]] for section in SECTIONS}
    assert {section: one.state(section) for section, one in struck.items()} == dict.fromkeys(SECTIONS, "failed")
    assert {one.result.status for one in struck.values()} == {"PARTIAL"}
    for section, one in struck.items():
        assert rows_of(section, one.account) == one.before
        days = PortfolioSnapshot.objects.filter(broker_account=one.account).count()
        if kind != "401":  # an ended session ends the run
            assert days == (1 if section in ("holdings", "positions") else 2)
    recomputed.check_all_pages()


@pytest.mark.parametrize(("kind", "options"), [("empty_list", {}), ("short_list", {"drop": 3})])
def test_a_holdings_answer_that_lacks_too_many_is_suspect(kind: str, options: dict[str, Any]) -> None:
    """Three of four shares would vanish without a sale: none of them does."""
    struck = evening(kind, ["holdings"], **options)
    one = struck["holdings"]
    assert [(each.section, each.kind) for each in one.result.capture.problems] == [("holdings", "suspect")]
    assert (one.result.status, struck[SOUND].result.status) == ("PARTIAL", "COMPLETED")
    quantities = (
        RealHolding.objects.filter(broker_account=one.account).order_by("pk").values_list("pk", "owned_quantity")
    )
    assert list(quantities) == [(row["id"], row["owned_quantity"]) for row in one.before[:4]]
    assert quantities.count() == 4
