"""The instrument master: what each exchange calls what, from a broker's instrument file, once a day.

It lets an order that comes without an ISIN find its instrument, and gives instruments their full names. A file that
does not come, or cannot be read, is told in the log and harms no account. Names that a file lacks stay as they are.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from ledger.entries import Instrument, Listing
from ledger.listings import Name, name_of
from ledger.normalise import IST, ist_date
from portfolio_project.settings import broker_url

from .. import clock
from ..models import BrokerAccount, BrokerType
from ..triggers.base import Account, Answer, BaseTrigger, Credential, Reply, TriggerError, UnexpectedReply
from ..triggers.client import Transport
from ..triggers.foreign import told
from ..triggers.limits import OF_THIS_PROCESS
from ..triggers.registry import get_trigger_for_code
from . import instruments
from .fetch import called

logger = logging.getLogger(__name__)

TRIED_AGAIN_AFTER = timedelta(hours=1)
AT_WORK = timedelta(minutes=5)  # who has not taken it by then was killed, and another may
DEADLINE_SECONDS = 60.0  # the file is large, and the accounts wait for it
AT_ONCE = 5_000  # lines a transaction: others wait for it


class Taken(NamedTuple):
    """What came of one broker's file: its lines that count, and how many were new."""

    broker: str
    listings: int
    new_instruments: int
    new_names: int
    set_aside: int


def refresh(accounts: QuerySet[BrokerAccount]) -> None:
    """Takes each file that these accounts want and that was not taken today, in India. Raises nothing of theirs."""
    now = clock.now()
    brokers = accounts.order_by().values_list("broker", flat=True).distinct()
    due = BrokerType.objects.filter(_is_due(now), pk__in={file_of(code) for code in brokers})
    for code in list(due.values_list("pk", flat=True)):
        if offers(code) and _claimed(code, now):
            try:
                fetch(code)
            except TriggerError as error:
                logger.warning("the instruments of %s were not taken, accounts go on without: %s", code, error)
                _put_off(code)
            except Exception:
                logger.exception("the instruments of %s were not taken, accounts go on without", code)
                _put_off(code)


def offers(code: str) -> bool:
    trigger = get_trigger_for_code(code)
    try:
        return trigger is not None and told(trigger.offers, "instruments")
    except Exception as error:  # whatever a foreign trigger does: the accounts of others go on
        logger.warning("offers() of the trigger of %s raised %s: %s", code, type(error).__name__, error)
        return False


def file_of(code: str) -> str:
    """Whose file a broker's accounts want: its own, unless its trigger names another's."""
    trigger = get_trigger_for_code(code)
    return (trigger.instruments_of if trigger else "") or code


def fetch(code: str) -> Taken:
    """Asks this broker for its file, and takes it. TriggerError when it does not come, or cannot be read."""
    trigger = get_trigger_for_code(code)
    assert trigger is not None
    rows, set_aside = _read(trigger)
    taken = take(trigger.code, rows, set_aside)
    BrokerType.objects.filter(pk=trigger.code).update(instruments_taken_at=clock.now())
    return taken


def _read(trigger: type[BaseTrigger]) -> tuple[list[Instrument], int]:
    """The lines of its file, and how many were set aside. Whatever a trigger raises is told as its own fault."""
    try:
        answer = asyncio.run(_asked(trigger))
        rows, set_aside = told(lambda: answer.rows) if isinstance(answer, Answer) else (answer, ())
        return [_checked(row) for row in rows], len(set_aside)
    except TriggerError:
        raise
    except Exception as error:
        raise UnexpectedReply(f"the trigger failed with {type(error).__name__}: {error}") from error


def take(code: str, rows: Iterable[Instrument], set_aside: int = 0) -> Taken:
    """Writes what is new of a file, a part at a time. A name that is given twice means what it meant first."""
    if not (meant := _by_name(rows)):
        raise UnexpectedReply("the file holds no instruments")
    day, new_instruments, new_names = ist_date(clock.now()), 0, 0
    for part in _parts(meant.values()):
        full_names = {row.listing.isin: row.full_name for row in part if row.listing.isin}
        made = instruments.take([row.listing for row in part], full_names, day)
        new_instruments, new_names = new_instruments + made.instruments, new_names + made.names
    return Taken(code, len(meant), new_instruments, new_names, set_aside)


def _by_name(rows: Iterable[Instrument]) -> dict[Name, Instrument]:
    meant: dict[Name, Instrument] = {}
    for row in rows:
        if instruments.can_be_kept(row.listing):
            meant.setdefault(name_of(row.listing), row)
    return meant


def _parts(rows: Iterable[Instrument]) -> Iterator[Sequence[Instrument]]:
    left = iter(rows)
    while part := list(islice(left, AT_ONCE)):
        yield part


def _checked(row: Any) -> Instrument:
    if isinstance(row, Listing):
        return Instrument(row)
    if not isinstance(row, Instrument):
        raise UnexpectedReply(f"fetch_instruments() gave {type(row).__name__} where Instruments are wanted")
    return row


async def _asked(trigger: type[BaseTrigger]) -> Any:
    """The file is public: it is asked for without credentials, and belongs to no account's evidence."""

    async def keep(reply: Reply) -> None: ...

    account = Account("", "", Credential({}), clock.now())
    async with Transport(clock.now, deadline=DEADLINE_SECONDS, shared=OF_THIS_PROCESS) as transport:
        url, more = broker_url(trigger.code), broker_url(trigger.code, "INSTRUMENTS")
        client = transport.client(trigger, url, "", keep, more) if trigger.base_url else None
        method: Any = getattr(told(trigger, account, client), "fetch_instruments", None)
        return await called(method)


def _is_due(now: datetime) -> Q:
    """Not taken today, and not tried within the hour. What seems to lie ahead was written under another clock."""
    today = datetime.combine(ist_date(now), time(0), IST)
    not_today = Q(instruments_taken_at=None) | Q(instruments_taken_at__lt=today) | Q(instruments_taken_at__gt=now)
    before = now - TRIED_AGAIN_AFTER
    not_tried = Q(instruments_asked_at=None) | Q(instruments_asked_at__lte=before) | Q(instruments_asked_at__gt=now)
    return not_today & not_tried


def _claimed(code: str, now: datetime) -> bool:
    """Of several runs at once, one asks. The others wait as long as that takes, and no hour."""
    free_again = now + AT_WORK - TRIED_AGAIN_AFTER
    return bool(BrokerType.objects.filter(_is_due(now), pk=code).update(instruments_asked_at=free_again))


def _put_off(code: str) -> None:
    BrokerType.objects.filter(pk=code).update(instruments_asked_at=clock.now())
