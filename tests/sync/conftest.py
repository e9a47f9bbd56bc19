"""What the tests of the sync share: no waiting for a local broker's sake, and a broker that says what it is told."""

from collections.abc import Callable
from datetime import datetime

import pytest

from portfolio.triggers.groww import GrowwTrigger
from portfolio.triggers.registry import REGISTRY
from portfolio.triggers.zerodha import ZerodhaTrigger
from tests.sync.scripted import Broker, india


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client obeys no rate limit: the simulator's own is switched off as well, see `build.groww`."""
    monkeypatch.setattr(GrowwTrigger, "limits", {})
    monkeypatch.setattr(ZerodhaTrigger, "limits", {})


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The scripted broker; accounts of it are made with `build.an_account("SCRIPTED")`."""
    scripted = Broker()
    monkeypatch.setitem(REGISTRY, "SCRIPTED", scripted.trigger())
    return scripted


@pytest.fixture
def at(set_clock: Callable[[datetime | str], None]) -> Callable[[str], None]:
    """Sets the clock to a time in India, such as "2026-10-05 16:05"."""
    return lambda text: set_clock(india(text))
