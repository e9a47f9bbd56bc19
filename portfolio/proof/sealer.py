"""The sealer: gives pages their place in the tree, and signs what the tree has become.

One works at a time, whoever holds the lease on the installation's head. A checkpoint is signed when pages are
unsigned and ten minutes have passed, once more at 23:59 in India, and on request. Nothing is ever signed that is not
a continuation of the last checkpoint in the file; what stands in its way is an event, and nothing of it is repaired.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from ledger import merkle
from ledger.checkpoint import Checkpoint, Key, Note, read_notes
from ledger.errors import BadCheckpoint
from ledger.normalise import IST, ist_date

from ..ids import new_uuid
from ..keys import KeyTrouble
from ..models import AccountHead, LedgerTree
from ..models import Checkpoint as StoredCheckpoint
from ..sync import emit
from . import signing, tree

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=90)
SIGN_AFTER: Final = timedelta(minutes=10)
DAY_ENDS: Final = time_of_day(23, 59)  # in India
COMPLAIN_AFTER_SECONDS: Final = 600

_complained: dict[str, float] = {}


class Refused(Exception):
    """Nothing was signed, for it would contradict what was signed before. `kind` names the event."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Busy(Exception):
    """Another process is the sealer at the moment."""


def seal(now: datetime) -> None:
    """What every tick does. Trouble with the key or the file is told, now and then, and stops nobody's sync."""
    if not (tree.is_any_unplaced() or _is_due(now)):
        return
    try:
        with _all_placed(now):
            if _is_due(now):
                _sign(now)
    except Busy:
        pass
    except (KeyTrouble, Refused) as error:
        if time.monotonic() - _complained.get(str(error), -COMPLAIN_AFTER_SECONDS) >= COMPLAIN_AFTER_SECONDS:
            _complained[str(error)] = time.monotonic()
            logger.error("No checkpoint was signed. %s", error)


def checkpoint(now: datetime, patience_seconds: float = 10) -> Note:
    """The checkpoint of all pages that are committed by now, signed unless it is already. KeyTrouble, Refused or Busy
    when that cannot be."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            with _all_placed(now):
                return _sign(now)
        except Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextmanager
def _lease() -> Iterator[None]:
    """The lease on the installation's head. Two that both believe they have it cannot both take a position."""
    owner, head = new_uuid(), AccountHead.objects.filter(account=None)
    if not head.filter(AccountHead.lease_is_free()).update(lease_owner=owner, lease_until=Now() + LEASE):
        raise Busy("Another process is placing pages or signing at the moment. Run this again in a minute.")
    try:
        yield
    finally:
        head.filter(lease_owner=owner).update(lease_owner=None, lease_until=None)


@contextmanager
def _all_placed(now: datetime) -> Iterator[None]:
    """The lease, with every page at its place. What is refused for what the book has become is an event."""
    with _lease():
        try:
            tree.place(now)
            yield
        except (Refused, tree.Gap) as error:
            refused = (
                error if isinstance(error, Refused) else Refused("rollback", f"{error} Run manage.py verify_ledger.")
            )
            _tell_once(f"ledger.{refused.kind}", str(refused), now)
            raise refused from None


def last_signed() -> StoredCheckpoint | None:
    return StoredCheckpoint.objects.order_by("size", "signed_at").last()


def is_all_signed() -> bool:
    last = last_signed()
    return not tree.is_any_unplaced() and tree.size() == (last.size if last else 0)


def _is_due(now: datetime) -> bool:
    last = last_signed()
    if tree.size() == (last.size if last else 0):
        return False
    # Also when the clock was ahead at the last signing, and was put back since.
    return last is None or abs(now - last.signed_at) >= SIGN_AFTER or last.signed_at < _last_day_end(now) <= now


def _last_day_end(now: datetime) -> datetime:
    ends = datetime.combine(ist_date(now), DAY_ENDS, IST)
    return ends if ends <= now else ends - timedelta(days=1)


def _sign(now: datetime) -> Note:
    """Into the file first: a checkpoint that only the database knows would protect nothing."""
    signer = signing.signer()
    with signing.checkpoint_file() as file:
        size, node = tree.size(), tree.stored_nodes()
        current = Checkpoint(signing.origin(), size, merkle.root_at(size, node))
        kept = file.notes()
        _refuse_contradiction(current, kept, signer.key, node)
        for note in kept[-1:]:  # whoever signed it may have been killed before the table had it
            _record(note, _next_placed(note) or now)
            if note.checkpoint == current:
                return note
        note = signer.sign(current)
        file.append(note)
    _record(note, now)
    return note


def _refuse_contradiction(current: Checkpoint, kept: list[Note], key: Key, node: merkle.Node) -> None:
    stored = last_signed()
    if stored and stored.note not in map(str, kept):
        raise Refused(
            "checkpoints_changed",
            f"The file of checkpoints lacks the last one that was signed, of {stored.size} pages. Put the file back "
            "from your copy, then run manage.py verify_ledger. If it is gone for good, see manage.py checkpoint "
            "--restore-file.",
        )
    if not kept:
        return
    last = kept[-1]
    was = last.checkpoint
    if not last.signed_by(key):
        raise Refused(
            "key_replaced",
            f"The last checkpoint in the file was signed with another key than {key.id.hex()}, the one that is here "
            "now. Put the signing key back from your copy, then run manage.py verify_ledger.",
        )
    proof = merkle.consistency_path(was.size, current.size, node) if was.size <= current.size else []
    if not merkle.is_consistent(was.size, current.size, was.root, current.root, proof):
        raise Refused(
            "rollback",
            f"The book is not a continuation of the checkpoint of {was.size} pages that was signed before: it was "
            "rolled back to an older state, or rewritten. Run manage.py verify_ledger.",
        )


def restore_file(now: datetime) -> int:
    """Writes the file of checkpoints again from the table's, where it is gone; returns how many. The table may have
    been changed with the book: each must be signed by the key that is here, and of the tree as it is. It is an event.
    """
    with _lease(), signing.checkpoint_file() as file:
        if file.path.exists():
            says = f"{file.path} is there. Only a file that is gone is made again; move it away if it is damaged."
            raise Refused("file_is_there", says)
        try:
            notes = list(_fitting_notes())
        except (BadCheckpoint, tree.Gap) as error:
            raise Refused("checkpoints_changed", f"{error} Run manage.py verify_ledger.") from None
        for note in notes:
            file.append(note)
    _tell_once("checkpoints.restored", f"the file of checkpoints was made again from the table: {len(notes)}", now)
    return len(notes)


def _fitting_notes() -> Iterator[Note]:
    key, node = signing.public_key(), tree.stored_nodes()
    for text in StoredCheckpoint.objects.order_by("size", "signed_at").values_list("note", flat=True):
        for note in read_notes(text):
            if not (key and note.signed_by(key) and _is_of_this_tree(note.checkpoint, node)):
                raise BadCheckpoint(f"The checkpoint of {note.checkpoint.size} pages in the table does not fit.")
            yield note


def _is_of_this_tree(was: Checkpoint, node: merkle.Node) -> bool:
    return was.size <= tree.size() and was == Checkpoint(signing.origin(), was.size, merkle.root_at(was.size, node))


def _tell_once(kind: str, says: str, now: datetime) -> None:
    with transaction.atomic(durable=True):
        emit.tell_installation(kind, {"says": says}, now, unless_last=True)


def _next_placed(note: Note) -> datetime | None:
    """When the first page above it got its place: it was signed by then."""
    above = LedgerTree.objects.filter(position__gt=note.checkpoint.size).order_by("position")
    return above.values_list("placed_at", flat=True).first()


def _record(note: Note, now: datetime) -> None:
    if StoredCheckpoint.objects.filter(size=note.checkpoint.size, note=str(note)).exists():
        return
    with transaction.atomic(durable=True):
        size, root = note.checkpoint.size, note.checkpoint.root
        StoredCheckpoint.objects.create(size=size, root=root, note=str(note), signed_at=now)
        emit.tell_installation("checkpoint.signed", {"size": size, "root": root.hex(), "note": str(note)}, now)
