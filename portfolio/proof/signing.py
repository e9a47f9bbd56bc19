"""The signing key and the file of checkpoints: both live in the directory of keys, never in the database's folder.

The file is only ever appended to: it is what the book is held against when somebody has changed the database. A key
that is gone is never quietly replaced. Names carry the installation's id, so that several may share a directory.
"""

import fcntl
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.checkpoint import Checkpoint, Key, Note, read_key, read_notes, signed
from ledger.errors import BadCheckpoint, why_unread

from ..installation import installation_head
from ..keys import KeyTrouble, key_directory
from ..models import Checkpoint as StoredCheckpoint

SECRET_BYTES = 32


def origin() -> str:
    """What names this installation in a checkpoint; the name of its key as well."""
    return f"khata/{installation_head().pk}"


class Files(NamedTuple):
    """Where this installation's are."""

    secret: Path
    public: Path
    checkpoints: Path


def files() -> Files:
    installation = str(installation_head().pk)
    stem = key_directory(installation) / installation
    return Files(*(stem.with_name(f"{stem.name}.{kind}") for kind in ("signing.key", "signing.pub", "checkpoints")))


class Signer:
    """Signs checkpoints in the name of this installation."""

    def __init__(self, name: str, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.key = Key(name, self._private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.key})"

    def sign(self, checkpoint: Checkpoint) -> Note:
        return signed(checkpoint, self.key, self._private.sign(str(checkpoint).encode()))


def signer() -> Signer:
    """The signer of this installation. Its key is made here when nothing was ever signed, and never again."""
    where = files()
    if not where.secret.exists():
        _require_unsigned(where)
        _make_key(where)
    return Signer(origin(), _read_secret(where.secret))


def public_key() -> Key | None:
    """The key that checkpoints are signed with, also when only its public half is left; None before the first one.
    KeyTrouble when checkpoints were signed and neither half is there, or what is there cannot be read."""
    where = files()
    if where.secret.exists():
        return Signer(origin(), _read_secret(where.secret)).key
    if where.public.exists():
        return _read_public(where.public)
    _require_unsigned(where)
    return None


def _require_unsigned(where: Files) -> None:
    if where.checkpoints.exists() or StoredCheckpoint.objects.exists():
        raise KeyTrouble(
            f"The signing key {where.secret} is gone, and checkpoints were signed with it. Put it back from your "
            "copy of the keys, or set KHATA_KEYS to the directory that has it. Until then nothing is signed."
        )


def _read_public(path: Path) -> Key:
    try:
        return read_key(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadCheckpoint) as error:
        raise KeyTrouble(f"{path} cannot be read: {_why(error)}. Put it back from your copy of the keys.") from None


def _why(error: OSError | UnicodeDecodeError | BadCheckpoint) -> str:
    return str(error).rstrip(".") if isinstance(error, BadCheckpoint) else why_unread(error)


def _read_secret(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise KeyTrouble(f"{path}: others might read or change it. Run: chmod 0400 {path}")
    try:
        secret = b64decode(path.read_bytes().strip(), validate=True)
    except PermissionError:
        raise KeyTrouble(f"{path} cannot be read by this user. Run Khata as the user who owns it.") from None
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyTrouble(
            f"{path} does not hold {SECRET_BYTES} bytes in base64. Put it back from your copy of the keys."
        )
    return secret


def _make_key(where: Files) -> None:
    """The public half is written too: whoever checks the book keeps a copy of it."""
    secret = secrets.token_bytes(SECRET_BYTES)
    with _directory(where.secret.parent):
        if not where.secret.exists():
            _write(where.public, f"{Signer(origin(), secret).key}\n".encode(), 0o444)
            _write(where.secret, b64encode(secret) + b"\n", 0o400)


def _write(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


@contextmanager
def _directory(path: Path) -> Iterator[None]:
    """The directory to ourselves, and on disk when we leave."""
    try:
        path.mkdir(parents=True, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyTrouble(
            f"The directory of keys {path} cannot be made or written ({error.strerror}). Set KHATA_KEYS to one that "
            "this user may write."
        ) from None


class CheckpointFile:
    """The checkpoints that were signed here, oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def notes(self) -> list[Note]:
        """Empty when there is no file. KeyTrouble when it cannot be read, with the line."""
        try:
            return read_notes(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError, BadCheckpoint) as error:
            raise KeyTrouble(
                f"The file of checkpoints {self.path} cannot be read: {_why(error)}. Put it back from your copy."
            ) from None

    def append(self, note: Note) -> None:
        """On disk when this returns."""
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb") as file:
            file.write(f"{note}\n".encode())
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def checkpoint_file() -> Iterator[CheckpointFile]:
    """The file, to ourselves."""
    path = files().checkpoints
    with _directory(path.parent):
        yield CheckpointFile(path)
