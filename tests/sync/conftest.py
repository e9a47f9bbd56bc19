"""What the tests of the sync share: no waiting for a local broker's sake."""

import pytest

from portfolio.triggers.groww import GrowwTrigger
from portfolio.triggers.zerodha import ZerodhaTrigger


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client obeys no rate limit: the simulator's own is switched off as well, see `build.groww`."""
    monkeypatch.setattr(GrowwTrigger, "limits", {})
    monkeypatch.setattr(ZerodhaTrigger, "limits", {})
