"""What every campaign is given: its size and seed, leases that are short, and a place to say what it did."""

from collections.abc import Callable, Iterator

import pytest

pytest.register_assert_rewrite("tests.faults.oracle")
from tests.faults.process import kill_all, lift_limits, shorten_leases  # noqa: E402

LEASE_SECONDS = 1.5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`seed`: the given one; in a campaign marked `seeds(n)`, at full size, n of them from that one on."""
    if "seed" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("seeds")
        many = marker.args[0] if marker and metafunc.config.getoption("--size") == "full" else 1
        first = metafunc.config.getoption("--seed")
        metafunc.parametrize("seed", range(first, first + many))


@pytest.fixture
def is_full(request: pytest.FixtureRequest) -> bool:
    """Whether this is `make faults`, and not a part of `make test`."""
    return bool(request.config.getoption("--size") == "full")


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says what a campaign did; printed at the end."""
    return lambda text: request.node.user_properties.append(("told", text))


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds. Here and in the processes that are given it."""
    from portfolio.sync import claim, crew

    for module, name in ((claim, "LEASE"), (crew, "RENEW_SECONDS")):
        monkeypatch.setattr(module, name, getattr(module, name))  # put back afterwards
    shorten_leases(LEASE_SECONDS)
    return LEASE_SECONDS


@pytest.fixture(autouse=True)
def nobody_is_left_behind(database: None) -> Iterator[None]:
    """Before the tables are emptied."""
    yield
    kill_all()


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    from portfolio.triggers.groww import GrowwTrigger
    from portfolio.triggers.zerodha import ZerodhaTrigger

    for trigger in (GrowwTrigger, ZerodhaTrigger):
        monkeypatch.setattr(trigger, "limits", trigger.limits)
    lift_limits()
