"""The doctor says what is wrong, or will be, and what to do."""

import io
import json
from datetime import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from portfolio import doctor, startup
from portfolio.doctor import Finding
from portfolio.models import AccountHead, BrokerAccount, BrokerType, Schedule, ScheduledLook, SyncSlot
from portfolio.proof import sealer, signing
from portfolio.schedule.owe import owe
from tests import build
from tests.sync.scripted import india

pytestmark = pytest.mark.database


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def of(check: str, moment: str = "2026-10-05 16:05") -> list[tuple[str, str]]:
    return [(one.level, one.says) for one in doctor.examine(india(moment)) if one.check == check]


def test_all_is_well_in_an_empty_installation() -> None:
    code, out = run()
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["ok"] * 6)


@pytest.mark.parametrize(
    ("moment", "level"),
    [("2026-10-31 12:00", "ok"), ("2026-11-01 12:00", "warning"), ("2026-12-31 23:59", "warning"),
     ("2027-01-01 00:00", "problem")],
)  # fmt: skip
def test_the_end_of_the_calendar_is_told_60_days_before(moment: str, level: str) -> None:
    ((found, says),) = of("calendar", moment)
    assert (found, "2026-12-31" in says or "of 2027 are not recorded" in says) == (level, True)


def test_looks_that_nobody_tries_are_told() -> None:
    build.an_account()
    SyncSlot.objects.all().delete()
    owe(india("2026-10-05 16:05"))
    assert of("schedule", "2026-10-05 19:09") == [("ok", "nothing that is due is left lying")]
    says = "looks that are due and that nobody has tried: 1, the oldest since 05 Oct 19:00 in India"
    assert of("schedule", "2026-10-05 19:10") == [("problem", says)]


def test_looks_that_wait_as_a_broker_asked_and_those_of_the_demo_are_not_left_lying() -> None:
    account = build.an_account()
    build.an_account("SAMPLE", "DEMO", build.a_portfolio("Demo", simulated=True))
    owe(india("2026-10-05 16:05"))
    owe(india("2026-10-05 16:05"), simulated=True)
    AccountHead.objects.filter(account=account).update(pause_until=india("2026-10-05 20:00"))
    well = [("ok", "nothing that is due is left lying")]
    assert of("schedule", "2026-10-05 19:30") == well
    assert of("schedule", "2026-10-05 20:01") != well


def test_a_schedule_by_which_no_day_can_be_complete_is_told_once_an_account_follows_it() -> None:
    account = build.an_account()
    Schedule.objects.create(code="abroad", name="Abroad", zone="America/New_York")
    ScheduledLook.objects.create(schedule_id="abroad", at=time(16), kind="DAILY_PORTFOLIO")
    before = of("schedule", "2026-10-05 12:00")
    BrokerAccount.objects.filter(pk=account.pk).update(schedule="abroad")
    says = "the schedule 'abroad' has no look at everything between the close and midnight in India"
    assert of("schedule", "2026-10-05 12:00") == [*before, ("problem", says)]


@pytest.mark.parametrize(
    ("weekdays", "moment"), [("12345", "2026-11-06 20:00"), ("135", "2026-10-05 20:00"), ("5", "2026-10-05 20:00")]
)
def test_a_schedule_that_leaves_out_the_next_session_completes_others(weekdays: str, moment: str) -> None:
    """On Sunday, 8 November 2026, there is a muhurat session."""
    account = build.an_account()
    Schedule.objects.create(code="some", name="Some days")
    ScheduledLook.objects.create(schedule_id="some", at=time(19), kind="DAILY_PORTFOLIO", weekdays=weekdays)
    before = of("schedule", moment)
    BrokerAccount.objects.filter(pk=account.pk).update(schedule="some")
    assert of("schedule", moment) == before


def test_a_guard_that_is_gone_is_told_with_what_to_do() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER khata_guard_order_history_update")
        else:
            cursor.execute("ALTER TABLE order_history DISABLE TRIGGER khata_guard_rows")
    ((level, says),) = of("guards")
    assert (level, "order_history" in says) == ("problem", True)


def test_json_has_every_finding_and_the_exit_code_says_whether_to_look(set_clock: object) -> None:
    set_clock(india("2026-12-01 12:00"))  # type: ignore[operator]
    code, out = run("--json")
    found = [Finding(**each) for each in json.loads(out)["findings"]]
    assert (code, [(one.check, one.level) for one in found]) == (
        1, [("guards", "ok"), ("keys", "ok"), ("checkpoints", "ok"), ("calendar", "warning"), ("schedule", "ok"),
            ("accounts", "ok")],
    )  # fmt: skip


def test_accounts_that_wait_for_their_owner_or_fail_and_brokers_that_do_are_told() -> None:
    account = build.an_account()
    how = f"manage.py connect sample --account {account.pk}"
    BrokerAccount.objects.update(
        state="needs_login", state_since=india("2026-10-05 06:00"), state_reason=f"it ended; log in again: {how}"
    )
    BrokerType.objects.filter(pk="SAMPLE").update(failing_since=india("2026-10-05 16:00"), failing_reason="503")
    assert of("accounts") == [("warning", "SAMPLE S1 needs your login since 05 Oct 06:00: it ended")]
    (finding,) = doctor.the_accounts(india("2026-10-05 16:05"))
    assert finding.remedy == f"Log in: {how}"
    why = "fails for one account after the other since 16:00 and is tried with one, minute after minute: 503"
    assert of("brokers") == [("warning", f"Sample broker {why}")]


def test_the_signing_key_and_the_file_of_checkpoints_are_looked_for() -> None:
    assert of("checkpoints") == [("ok", "nothing was signed yet")]
    build.synced(build.an_account())
    sealer.checkpoint(india("2026-10-05 16:05"))
    assert of("checkpoints") == [("ok", "signed up to position 1 of the tree, last at 05 Oct 16:05 in India")]

    secret, _, file = signing.files()
    file.unlink()
    assert of("checkpoints") == [("problem", "the last checkpoint in the file beside the keys is gone")]
    secret.unlink()
    assert of("checkpoints") == [("problem", "the signing key is gone")]


def a_folder_of_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one key in it, that seals an account; returns the key."""
    monkeypatch.setattr(settings, "KHATA_KEYS", str(folder))
    startup.require_keys.cache_clear()
    build.an_account()
    (key,) = folder.glob("*.key")
    return key


def test_keys_that_others_might_read_are_named_each_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "KHATA_KEYS", str(tmp_path / "keys"))
    assert of("keys") == [("ok", "none was needed yet")]
    key = a_folder_of_keys(tmp_path / "keys", monkeypatch)
    assert of("keys") == [("ok", f"1 in {key.parent}, for this user alone")]
    key.chmod(0o440)
    key.parent.chmod(0o755)
    found = list(doctor.the_keys(india("2026-10-05 16:05")))
    assert [(one.level, one.says) for one in found] == [
        ("problem", f"{key.parent} has mode 0755: others might read or change it"),
        ("problem", f"{key} has mode 0440: others might read or change it"),
    ]
    commands = [f"Run: chmod 0700 {key.parent}", f"Run: chmod 0400 {key}"]
    assert [one.remedy.partition(". ")[0] for one in found] == commands
    assert run()[0] == 1


def test_a_key_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = a_folder_of_keys(tmp_path / "keys", monkeypatch)
    key.unlink()
    startup.require_keys.cache_clear()  # as in another process
    ((level, says),) = of("keys")
    assert (level, says.startswith(f"{key.name}: not in {key.parent}")) == ("problem", True)


def test_keys_that_lead_into_the_folder_of_the_database_are_told(tmp_path: Path) -> None:
    """A link, say: what counts is where the file really lies."""
    if connection.vendor != "sqlite":
        pytest.skip("where PostgreSQL keeps its files is not seen from here")
    folder = Path(connection.settings_dict["NAME"]).parent
    link = tmp_path / "keys"
    link.symlink_to(folder)
    assert (doctor.beside_database(link / "signing.key"), doctor.beside_database(tmp_path / "signing.key")) == (
        True,
        False,
    )
