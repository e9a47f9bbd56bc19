"""What every campaign is given: its size and seed, leases that are short, and a place to say what it did."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

pytest.register_assert_rewrite("tests.faults.oracle")
from tests.faults.process import kill_all, lift_limits, shorten_leases  # noqa: E402

LEASE_SECONDS = 1.5


class Part(NamedTuple):
    """Of a campaign that several processes make together: the first is number 0."""

    number: int
    of: int


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`seed`: the given one; in a campaign marked `seeds(n)`, at full size, n of them from that one on. `part`: the
    whole; in one marked `parts(n)`, at full size, each of n."""
    if "seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--seed")
        metafunc.parametrize("seed", range(first, first + _at_full_size(metafunc, "seeds")))
    if "part" in metafunc.fixturenames:
        many = _at_full_size(metafunc, "parts")
        metafunc.parametrize(
            "part", [Part(number, many) for number in range(many)], ids=[f"part{number}" for number in range(many)]
        )


def _at_full_size(metafunc: pytest.Metafunc, mark: str) -> int:
    """The number in that mark; 1 without it, and at the small size."""
    marker = metafunc.definition.get_closest_marker(mark)
    return int(marker.args[0]) if marker and metafunc.config.getoption("--size") == "full" else 1


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
