"""What is wrong with this installation, or will be: each check says what it found and what to do. Changes nothing."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from django.db import connection
from django.db.models import Count

from ledger.normalise import IST, ist_date

from . import guards, keys, startup
from .grid import without_login
from .installation import key_ring
from .keys import KeyTrouble
from .models import BrokerAccount, BrokerType, Schedule, SyncSlot, Transaction
from .proof import sealer, signing
from .schedule import calendar
from .schedule.owe import read_plans
from .schedule.plan import last_whole_look
from .sync.breakers import left_alone

OK, WARNING, PROBLEM = "ok", "warning", "problem"
WARN_BEFORE: Final = timedelta(days=60)
LOOK_BACK: Final = timedelta(days=400)
UNTRIED: Final = timedelta(minutes=10)
SESSIONS_AHEAD: Final = 10  # a schedule may leave out some of the days
MOST_ACCOUNTS: Final = 20  # that are named one by one
AMEND = "Enter the exchange's holiday list in the admin, under Calendar days, each day with its source."


class Finding(NamedTuple):
    """`remedy` is empty when all is well."""

    check: str
    level: str
    says: str
    remedy: str = ""


def examine(now: datetime) -> list[Finding]:
    """Every check, in order."""
    return [finding for check in CHECKS for finding in check(now)]


def the_guards(now: datetime) -> Iterator[Finding]:
    found = guards.problems(connection)
    for problem in found:
        yield Finding("guards", PROBLEM, problem, "Until then no sync will run.")
    if not found:
        yield Finding("guards", OK, "every table of the book is guarded")


def the_calendars_end(now: datetime) -> Iterator[Finding]:
    today = ist_date(now)
    end = calendar.known_until(today)
    if end is None:
        says = (
            f"the closures of {today.year} are not recorded: every weekday counts as a session, and a holiday as missed"
        )
        yield Finding("calendar", PROBLEM, says, AMEND)
    elif end - today <= WARN_BEFORE:
        says = f"the closures are recorded until {end}; after that every weekday counts as a session"
        yield Finding("calendar", WARNING, says, AMEND)
    else:
        yield Finding("calendar", OK, f"the closures are recorded until {end}")


def the_calendars_truth(now: datetime) -> Iterator[Finding]:
    """Fills on days without a session: the calendar is wrong, or the broker."""
    first = ist_date(now) - LOOK_BACK
    days = [day for n in range(LOOK_BACK.days + 1) if calendar.session(day := first + timedelta(n)) is None]
    fills = Transaction.objects.filter(trade_date__in=days, segment__in=("CASH", "FNO"))
    for day, count in fills.values_list("trade_date").annotate(Count("pk")).order_by("trade_date"):
        says = f"{count} fills on {day:%A} {day}, a day without a session by the calendar"
        yield Finding("calendar", WARNING, says, "If there was one, enter that day in the admin, under Calendar days.")


def the_schedule_runs(now: datetime) -> Iterator[Finding]:
    untried = SyncSlot.objects.filter(
        result=None, attempts=0, next_attempt_at__lte=now - UNTRIED, broker_account__broker__failing_since=None,
        broker_account__in=BrokerAccount.objects.to_sync(),
    )  # fmt: skip
    waiting = untried.exclude(broker_account__head__pause_until__gt=now)  # as their broker asked
    if first := waiting.order_by("next_attempt_at").first():
        due = f"{first.due_at.astimezone(IST):%d %b %H:%M}"
        says = f"looks that are due and that nobody has tried: {waiting.count()}, the oldest since {due} in India"
        yield Finding("schedule", PROBLEM, says, "Run manage.py serve, or a timer that calls manage.py run_due.")
    else:
        yield Finding("schedule", OK, "nothing that is due is left lying")


def the_schedules(now: datetime) -> Iterator[Finding]:
    """Those by which no day can ever be complete."""
    day = ist_date(now)
    sessions = [day := calendar.next_session(day) for _ in range(SESSIONS_AHEAD)]
    followed = set(BrokerAccount.objects.to_sync().values_list("schedule", flat=True))
    for code, plan in read_plans().items():
        is_followed = code in followed or (code == Schedule.DEFAULT and None in followed)
        if is_followed and all(last_whole_look(plan, each) is None for each in sessions):
            says = f"the schedule {code!r} has no look at everything between the close and midnight in India"
            remedy = "No day of its accounts can be complete. Give it one in the admin, under Schedules."
            yield Finding("schedule", PROBLEM, says, remedy)


def the_accounts(now: datetime) -> Iterator[Finding]:
    """Those that wait for their owner, or fail, each with since when and why."""
    states = (BrokerAccount.State.NEEDS_LOGIN, BrokerAccount.State.FAILING)
    troubled = BrokerAccount.objects.to_sync().filter(state__in=states).order_by("state_since", "pk")
    for account in troubled[:MOST_ACCOUNTS]:
        since = f"{account.state_since.astimezone(IST):%d %b %H:%M}"
        why = without_login(account.state_reason)
        says = f"{account} {account.get_state_display().lower()} since {since}: {why}"
        if account.state == BrokerAccount.State.NEEDS_LOGIN:
            yield Finding("accounts", WARNING, says, f"Log in: {account.login_command}")
        else:
            yield Finding("accounts", WARNING, says, "It is tried again by itself; its batches in the admin say more.")
    if (count := troubled.count()) > MOST_ACCOUNTS:
        yield Finding("accounts", WARNING, f"and {count - MOST_ACCOUNTS} more", "See them in the admin, by state.")
    if not count:
        yield Finding("accounts", OK, "no account waits for a login, and none fails")


def the_brokers(now: datetime) -> Iterator[Finding]:
    for broker in BrokerType.objects.exclude(failing_since=None).order_by("pk"):
        yield Finding(
            "brokers", WARNING, left_alone(broker), "Nothing to do: its accounts go on with its first answer."
        )


def the_keys(now: datetime) -> Iterator[Finding]:
    """For this user alone, and all there: whoever reads one reads the credentials and replies that it seals."""
    directory = key_ring().directory
    if opened := list(keys.open_to_others(directory)):
        for each in opened:
            says, _, remedy = each.rpartition(". ")
            yield Finding("keys", PROBLEM, says, f"{remedy}. Whoever could read it may have: then rotate_keys as well.")
        return
    try:
        startup.require_keys()
    except KeyTrouble as error:
        yield Finding("keys", PROBLEM, str(error), "Until then nothing new is sealed.")
    else:
        count = len(key_ring().ids)
        yield Finding("keys", OK, f"{count} in {directory}, for this user alone" if count else "none was needed yet")


def the_checkpoints(now: datetime) -> Iterator[Finding]:
    """The key that signs and the file that remembers: there, fitting each other, and not beside the database."""
    for path in signing.files():
        if beside_database(path):
            says = f"{path} is in the folder of the database: whoever can change one can change the other"
            yield Finding("checkpoints", PROBLEM, says, "Set KHATA_KEYS to a folder elsewhere, and move it there.")
    last = sealer.last_signed()
    try:
        signing.public_key()  # whatever is wrong with it is raised
        notes = signing.CheckpointFile(signing.files().checkpoints).notes()
    except KeyTrouble as error:
        yield Finding("checkpoints", PROBLEM, str(error), "Until then nothing is signed.")
        return
    if last is None:
        yield Finding("checkpoints", OK, "nothing was signed yet")
    elif not (can_sign := signing.files().secret.exists()) or last.note not in map(str, notes):
        missing = "the signing key" if not can_sign else "the last checkpoint in the file beside the keys"
        says, remedy = f"{missing} is gone", "Put the files back from your copy, then run manage.py verify_ledger."
        yield Finding("checkpoints", PROBLEM, says, remedy)
    else:
        at = f"{last.signed_at.astimezone(IST):%d %b %H:%M}"
        yield Finding("checkpoints", OK, f"signed up to position {last.size} of the tree, last at {at} in India")


def beside_database(path: Path) -> bool:
    """Whether it really lies in the folder of an SQLite database, links followed. Of PostgreSQL nobody knows it."""
    if connection.vendor != "sqlite":
        return False
    return path.resolve().is_relative_to(Path(connection.settings_dict["NAME"]).resolve().parent)


CHECKS: Final[tuple[Callable[[datetime], Iterator[Finding]], ...]] = (
    the_guards,
    the_keys,
    the_checkpoints,
    the_calendars_end,
    the_calendars_truth,
    the_schedule_runs,
    the_schedules,
    the_accounts,
    the_brokers,
)
