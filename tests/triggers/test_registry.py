"""What every trigger of the registry keeps to, and how one of another package is found."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portfolio.triggers.base import BaseTrigger, LoginRequired
from portfolio.triggers.registry import REGISTRY, get_trigger_for_code, known_codes, why_missing
from portfolio.triggers.sample import SampleTrigger

from .broker import an_account

SECTIONS = ("holdings", "positions", "orders", "trades", "funds", "prices", "instruments")
TRADES_SHARES = ("create", "modify", "cancel", "place", "order-advance", "convert", "transfer", "authorise")

every_trigger = pytest.mark.parametrize("code", sorted(REGISTRY))


@every_trigger
def test_a_code_is_upper_case_and_found_in_any_case(code: str) -> None:
    assert (code, REGISTRY[code].code) == (code.upper(), code)
    assert get_trigger_for_code(code.lower()) is get_trigger_for_code(code.title()) is REGISTRY[code]


@every_trigger
def test_a_trigger_has_a_name_and_says_how_to_log_in(code: str) -> None:
    trigger = REGISTRY[code]
    assert trigger.name != ""
    assert trigger.login_methods != ()
    for method in trigger.login_methods:
        assert (method.name.islower(), method.label != "", method.fields != ()) == (True, True, True)
        assert all(field.name.isidentifier() and field.label for field in method.fields)


@every_trigger
def test_names_of_login_methods_are_told_apart(code: str) -> None:
    names = [method.name for method in REGISTRY[code].login_methods]
    assert sorted(names) == sorted(set(names))


@every_trigger
def test_a_trigger_cannot_trade(code: str) -> None:
    allowed = REGISTRY[code].allowed
    assert {each.method for each in allowed} <= {"GET", "POST"}
    assert [each.path for each in allowed if any(word in each.path.lower() for word in TRADES_SHARES)] == []
    assert [each.path for each in allowed if each.method == "POST" and "token" not in each.path] == []


@every_trigger
def test_every_allowed_request_is_a_plain_path_of_a_limited_family(code: str) -> None:
    trigger = REGISTRY[code]
    assert [each.path for each in trigger.allowed if not each.path.startswith("/") or "?" in each.path] == []
    assert {each.family for each in trigger.allowed} <= set(trigger.limits)
    assert all(rate.calls > 0 and rate.seconds > 0 for rates in trigger.limits.values() for rate in rates)


@every_trigger
def test_a_trigger_that_speaks_to_a_broker_does_so_over_tls(code: str) -> None:
    trigger = REGISTRY[code]
    addresses = [address for address in (trigger.base_url, trigger.instruments_url) if address]
    assert [address for address in addresses if not address.startswith("https://")] == []
    assert bool(trigger.base_url) == bool(trigger.allowed)


@every_trigger
def test_what_is_offered_can_be_read_again_from_kept_replies(code: str) -> None:
    """A trigger that asks through the client reads purely; a plain `def` returns its rows itself."""
    trigger = REGISTRY[code]
    offered = [section for section in SECTIONS if trigger.offers(section)]
    assert "holdings" in offered
    if trigger.base_url:
        assert [section for section in offered if not callable(getattr(trigger, f"parse_{section}", None))] == []


@every_trigger
def test_credentials_that_allow_nothing_ask_for_a_login(code: str) -> None:
    trigger: Any = REGISTRY[code](an_account())

    async def fetch() -> Any:
        answer = trigger.fetch_holdings()
        return await answer if asyncio.iscoroutine(answer) else answer

    with pytest.raises(LoginRequired, match="connect"):
        asyncio.run(fetch())


def test_the_sample_gives_its_two_holdings_as_plain_dicts() -> None:
    holdings = SampleTrigger(an_account(token="any")).fetch_holdings()
    assert [(row["symbol"], row["quantity"], row["avg_price"]) for row in holdings] == [
        ("TCS", 10, 2200.0),
        ("INFY", 25, 1510.35),
    ]


def test_a_code_nobody_has_gives_nothing() -> None:
    assert get_trigger_for_code("no such broker") is None


@pytest.fixture
def outside_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution that registers one trigger by entry point, exactly as a person would write it."""
    (tmp_path / "mybroker.py").write_text(
        "from portfolio.triggers.base import BaseTrigger\n"
        "from portfolio.triggers.registry import register\n\n\n"
        '@register("MYBROKER")\n'
        "class MyBroker(BaseTrigger):\n"
        "    def fetch_holdings(self):\n"
        '        key = self.broker_account.credential.credentials["api_key"]\n'
        '        return [{"symbol": key, "quantity": 1, "avg_price": 2, "asset_type": "stock"}]\n'
    )
    (tmp_path / "halfbroker.py").write_text("import a_library_that_is_not_there\n")
    (tmp_path / "exitbroker.py").write_text('raise SystemExit("no licence")\n')
    (tmp_path / "nobroker.py").write_text(
        "from portfolio.triggers.registry import register\n\n\n"
        '@register("PLAINBROKER")\n'
        "class PlainBroker:\n"
        "    def fetch_holdings(self):\n"
        "        return []\n"
    )
    info = tmp_path / "mybroker-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mybroker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[khata.triggers]\nMYBROKER = mybroker:MyBroker\nHalfBroker = halfbroker:HalfBroker\n"
        "PLAINBROKER = nobroker:PlainBroker\nMODULEBROKER = nobroker\nEXITBROKER = exitbroker:ExitBroker\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("portfolio.triggers.registry._broken", {})
    yield
    REGISTRY.pop("MYBROKER", None)
    for module in ("mybroker", "nobroker"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("code", ["mybroker", "MyBroker", "MYBROKER"])
def test_a_trigger_of_another_package_is_found_in_any_case_and_works(outside_package: None, code: str) -> None:
    trigger = get_trigger_for_code(code)
    assert trigger is not None
    assert (trigger.code, issubclass(trigger, BaseTrigger)) == ("MYBROKER", True)
    assert trigger(an_account(api_key="INFY")).fetch_holdings()[0]["symbol"] == "INFY"


def test_a_package_that_cannot_be_imported_says_why(outside_package: None) -> None:
    """Also where its entry point is not named in upper case."""
    assert get_trigger_for_code("halfbroker") is None
    assert why_missing("halfbroker") == (
        "the package of HALFBROKER cannot be loaded: ModuleNotFoundError: No module named 'a_library_that_is_not_there'"
    )


def test_a_package_that_exits_when_it_is_imported_stops_nobody_else(outside_package: None) -> None:
    assert get_trigger_for_code("exitbroker") is None
    assert why_missing("exitbroker") == (
        "the package of EXITBROKER cannot be loaded: RuntimeError: SystemExit no licence"
    )


@pytest.mark.parametrize("code", ["PLAINBROKER", "MODULEBROKER"])
def test_what_is_no_trigger_says_so_instead_of_stopping_the_others(outside_package: None, code: str) -> None:
    assert get_trigger_for_code(code) is None
    assert why_missing(code) == (
        f"what is registered for {code} is no trigger: a class is wanted that is made from BaseTrigger"
    )


def test_brokers_of_packages_are_known_before_they_are_loaded(outside_package: None) -> None:
    assert known_codes() == sorted([*REGISTRY, "EXITBROKER", "HALFBROKER", "MODULEBROKER", "MYBROKER", "PLAINBROKER"])
