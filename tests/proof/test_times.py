"""When pages were placed and checkpoints signed is in no hash: what no clock explains is found, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from portfolio.models import BrokerAccount, Checkpoint, LedgerTree
from portfolio.proof import sealer
from portfolio.proof.verification import verify
from tests import build
from tests.proof import tampering

pytestmark = pytest.mark.database

NOON = datetime(2026, 10, 5, 6, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
At = Callable[[datetime], None]


@pytest.fixture
def account(set_clock: At) -> BrokerAccount:
    """Three looks, a day apart, each placed and signed at once."""
    account = build.an_account()
    for days in range(3):
        look(account, NOON + days * DAY, set_clock)
    return account


def look(account: BrokerAccount, at: datetime, set_clock: At, sealed: datetime | None = None) -> None:
    set_clock(at)
    build.synced(account)
    sealer.checkpoint(sealed or at)


def stored(at: datetime) -> Any:
    return LedgerTree._meta.get_field("placed_at").get_db_prep_value(at, connection)


def move_place(position: int, at: datetime) -> None:
    with tampering.unguarded():
        tampering.run("UPDATE ledger_tree SET placed_at = %s WHERE position = %s", stored(at), position)


def move_signing(row: Checkpoint, at: datetime) -> None:
    with tampering.unguarded():
        tampering.run("UPDATE checkpoints SET signed_at = %s WHERE id = %s", stored(at), tampering.key(row.pk))


def told() -> list[tuple[str, int, str, str]]:
    return [(finding.account, finding.page, finding.row, finding.says) for finding in verify().findings]


def test_a_place_that_is_said_to_be_later_than_what_comes_after_it_is_named(account: BrokerAccount) -> None:
    assert [place.position for place in LedgerTree.objects.order_by("position")] == [1, 2, 3]
    move_place(2, NOON + 9 * DAY)

    says = (
        "placed_at was changed to 2026-10-14 06:30:00+00:00: "
        "what comes after it in the tree has 2026-10-06 06:30:00+00:00"  # the checkpoint above it
    )
    assert told() == [(str(account.pk), 2, "2", says)]


def test_a_place_that_is_said_to_be_later_than_the_first_checkpoint_above_it_is_named(account: BrokerAccount) -> None:
    move_place(1, NOON + 20 * HOUR)  # and before the next place

    assert [(page, row) for _, page, row, _ in told()] == [(1, "1")]


def test_a_place_that_is_said_to_be_earlier_than_its_batch_was_closed_is_named(account: BrokerAccount) -> None:
    move_place(2, NOON)

    says = (
        "placed_at was changed to 2026-10-05 06:30:00+00:00: "
        "a batch that it stands above was closed only at 2026-10-06 06:30:00+00:00"
    )
    assert told() == [(str(account.pk), 2, "2", says)]


@pytest.mark.parametrize("by", [-DAY, 3 * DAY])
def test_a_checkpoint_that_is_said_to_be_of_another_time_is_named(account: BrokerAccount, by: timedelta) -> None:
    row = Checkpoint.objects.order_by("size")[1]
    move_signing(row, row.signed_at + by)

    assert [(row, says.partition(" to ")[0]) for *_, row, says in told()] == [(str(row.pk), "signed_at was changed")]


def test_an_hour_more_or_less_is_no_alarm_for_a_wave_of_syncs_may_take_that(account: BrokerAccount) -> None:
    for position, at in ((1, NOON + HOUR), (2, NOON + DAY - HOUR), (3, NOON + 2 * DAY + HOUR)):
        move_place(position, at)

    assert told() == []


def test_a_clock_that_was_ahead_and_was_put_back_is_no_alarm(account: BrokerAccount, set_clock: At) -> None:
    look(account, NOON + 300 * DAY, set_clock)
    look(account, NOON + 400 * DAY, set_clock, sealed=NOON + 3 * DAY)  # put back before its page was placed
    for days in range(4, 7):
        look(account, NOON + days * DAY, set_clock)
    assert told() == []

    move_place(6, NOON + 100 * DAY)

    assert [(page, row) for _, page, row, _ in told()] == [(6, "6")]


def test_a_clock_that_was_put_back_is_no_alarm_before_anything_more_was_recorded(
    account: BrokerAccount, set_clock: At
) -> None:
    look(account, NOON + 300 * DAY, set_clock, sealed=NOON + 3 * DAY)
    set_clock(NOON + 3 * DAY)
    assert told() == []

    set_clock(NOON + 300 * DAY)
    assert [says.partition(" to ")[0] for *_, says in told()] == ["placed_at was changed", "signed_at was changed"]


def test_beside_a_batch_of_a_time_to_come_a_place_is_held_against_those_that_have_come(
    account: BrokerAccount, set_clock: At
) -> None:
    look(account, NOON + 10 * DAY, set_clock, sealed=NOON + 3 * DAY)
    set_clock(NOON + 4 * DAY)
    assert told() == []

    move_place(4, NOON)
    because = "a batch that it stands above was closed only at 2026-10-07 06:30:00+00:00"
    assert told() == [(str(account.pk), 4, "4", f"placed_at was changed to 2026-10-05 06:30:00+00:00: {because}")]


def test_pages_of_a_demo_are_placed_by_any_clock(account: BrokerAccount, set_clock: At) -> None:
    other = build.an_account(client_id="REAL", portfolio=build.a_portfolio())
    account.portfolio.simulated = True
    account.portfolio.save()
    for position, days in ((1, -900), (2, 900), (3, -5)):
        move_place(position, NOON + days * DAY)
    for row, days in zip(Checkpoint.objects.order_by("size"), (900, -900, 900), strict=True):
        move_signing(row, NOON + days * DAY)
    for days in range(3, 6):
        look(other, NOON + days * DAY, set_clock)
    assert told() == []

    place = LedgerTree.objects.get(page__head__account=other, page__number=2)
    move_place(place.position, NOON)

    assert [(account, row) for account, _, row, _ in told()] == [(str(other.pk), str(place.position))]


def test_a_time_that_is_none_is_named(account: BrokerAccount) -> None:
    with tampering.unguarded():
        nothing = "'infinity'" if connection.vendor == "postgresql" else "'2026-13-32 06:30:00'"
        tampering.run(f"UPDATE ledger_tree SET placed_at = {nothing} WHERE position = 2")

    assert told() == [(str(account.pk), 2, "2", "placed_at was changed to ?: that is no time")]
