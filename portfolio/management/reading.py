"""What several commands read from their arguments, and how they write a file: whole, or not at all."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from django.core.management.base import CommandError

from ledger.checkpoint import read_notes
from ledger.errors import BadCheckpoint, why_unread
from ledger.findings import Signed

from ..models import AccountHead
from ..proof import signing


def head_of(account_id: UUID) -> AccountHead:
    head = AccountHead.objects.filter(account__pk=account_id).first()
    if head is None:
        raise CommandError(f"there is no account with the id {account_id}", returncode=2)
    return head


def kept_in(path: Path) -> list[Signed]:
    """The checkpoints of this installation in a file that somebody kept. The tables must be there."""
    try:
        notes = read_notes(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read as checkpoints: {why_unread(error)}", returncode=2) from None
    except BadCheckpoint as error:
        raise CommandError(f"{path} cannot be read as checkpoints: {error}", returncode=2) from None
    if not notes:
        raise CommandError(f"{path} holds no checkpoint", returncode=2)
    for note in notes:
        if note.checkpoint.origin != signing.origin():
            says = f"line {note.line} is a checkpoint of another installation, {note.checkpoint.origin}"
            raise CommandError(f"{path}: {says}; this is {signing.origin()}", returncode=2)
    return [Signed(note, str(path)) for note in notes]


def written(path: Path, content: Iterable[bytes]) -> int:
    """Writes the file beside its place and puts it there when it is whole; for its owner alone. Returns its size. Where
    something else than a file stands it is refused: a device would be replaced."""
    if not path.name or (path.exists() and not path.is_file()):
        raise CommandError(f"{path} cannot be written: the name of a file is wanted", returncode=2)
    target = path.resolve()  # of a link, such as /dev/stdout, what it leads to
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(content)
        draft.replace(target)
        return target.stat().st_size
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", returncode=2) from None
    finally:
        draft.unlink(missing_ok=True)
