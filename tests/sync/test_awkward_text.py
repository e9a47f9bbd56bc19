"""What a broker may write in its texts comes back as it was, on both databases, and still proves."""

import pytest

from ledger import canonical
from portfolio.clock import now
from portfolio.ids import new_ids
from portfolio.models import Event, User
from portfolio.sync import bulk
from tests import build

pytestmark = pytest.mark.database

AWKWARD = ["", "plain", "back\\slash", "\\N", '"quoted"', "it's", "null", "{a,b}", "é ₹ 漢 🙂", "%s", "\\x41", "a,b"]


@pytest.mark.parametrize("group", [1, len(AWKWARD)])
def test_text_updates_come_back_as_they_were(group: int) -> None:
    table = bulk.schema("broker_accounts", 1, "id:uuid state_reason")
    portfolio = build.a_portfolio()
    made = [build.an_account("SAMPLE", f"S{number}", portfolio) for number in range(len(AWKWARD))]
    rows: list[list[str | None]] = [[str(account.pk), reason] for account, reason in zip(made, AWKWARD, strict=True)]

    for start in range(0, len(rows), group):
        bulk.update(table, rows[start : start + group])

    for account in made:
        account.refresh_from_db()
    assert [account.state_reason for account in made] == AWKWARD


def test_text_inserts_come_back_as_they_were() -> None:
    account = build.an_account()
    table = bulk.schema(
        "events", 1, "id:uuid broker_account_id:uuid number:integer kind payload:json created_at:instant"
    )
    values = [*AWKWARD, "tab\there", "line\nfeed", "carriage\rreturn"]
    rows = [
        canonical.render(table, (row_id, str(account.pk), number, "test", payload, now()))
        for number, (row_id, payload) in enumerate(zip(new_ids(len(values)), values, strict=True), 100)
    ]

    bulk.insert(table, rows)

    assert (
        list(
            Event.objects.filter(broker_account=account, kind="test")
            .order_by("number")
            .values_list("payload", flat=True)
        )
        == values
    )


def test_ids_are_found_among_awkward_texts() -> None:
    made = [User.objects.create(username=f"u{number}", last_name=name) for number, name in enumerate(AWKWARD)]

    for user in made:
        assert list(User.objects.filter(last_name__among=[user.last_name])) == [user]
    assert User.objects.filter(last_name__among=AWKWARD).count() == len(AWKWARD)
    assert User.objects.filter(last_name__among=[]).count() == 0
