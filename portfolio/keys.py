"""The keys of an installation, and values sealed with them: credentials, tokens, the keys of others.

The key-encryption keys are files in a directory of their own, never in the database or its backup, and never
derived from SECRET_KEY. A sealed value carries its own data key, wrapped by one of them: rotation re-wraps that
key and leaves the value alone, and a value moved to another row cannot be read. AES-256-GCM throughout.
Knows no models, writes no log, and puts no secret into an error.
"""

import fcntl
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
_KEY_FILES = "[0-9][0-9][0-9][0-9]-*.key"  # other files may live beside them, such as the signing key
DIRECTORY_MODE, KEY_MODE = 0o700, 0o400  # for the owner alone
_WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES


class KeyTrouble(Exception):
    """The directory of keys cannot be used as it is; the message says what to do."""


class CannotDecrypt(Exception):
    """A sealed value cannot be read; the message says why and what to do. Nothing was changed."""


def key_directory(installation_id: str) -> Path:
    """Where this installation's keys are: KHATA_KEYS, or a folder of the user's own configuration."""
    from django.conf import settings

    if configured := getattr(settings, "KHATA_KEYS", ""):
        return Path(configured)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "khata" / installation_id


class KeyRing:
    """The key-encryption keys of one directory. The newest seals; all of them unseal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ciphers: dict[str, AESGCM] = {}

    def __repr__(self) -> str:
        return f"KeyRing({str(self.directory)!r})"

    @property
    def ids(self) -> list[str]:
        """The ids of the keys in the directory, oldest first."""
        if not self.directory.is_dir():
            return []
        _refuse_open_mode(self.directory, DIRECTORY_MODE)
        return sorted((path.stem for path in self.directory.glob(_KEY_FILES)), key=_age)

    @property
    def primary(self) -> str:
        """The id of the newest key, also when another process has just made it. The first one is made here, on
        first use; a directory that is gone for a while is not taken for an empty one."""
        ids = self.ids or sorted(self._ciphers, key=_age)
        return ids[-1] if ids and ids[-1] in self._ciphers else self.load()

    def load(self) -> str:
        """Reads every key of the directory, makes the first when there is none. Returns the newest id."""
        ids = self.ids
        if not ids:
            with self._locked():
                ids = self.ids or [self._create(1)]
        self._ciphers = {key_id: AESGCM(self._read(key_id)) for key_id in ids}
        return ids[-1]

    def rotate(self) -> str:
        """Makes a new key, which seals from now on. `rewrap` then moves what the old ones sealed."""
        with self._locked():
            self._create(max(map(_age, self.ids), default=0) + 1)
        return self.load()

    def destroy(self, key_id: str) -> None:
        """Overwrites and deletes one key. Whatever it sealed is unreadable from now on, in every backup too."""
        with self._locked():
            path = self._path(key_id)
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.write(secrets.token_bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        self._ciphers.pop(key_id, None)

    def cipher(self, key_id: str) -> AESGCM:
        """The key `key_id`, looked for once more on disk: another process may have made it since."""
        if key_id not in self._ciphers and key_id in self.ids:
            self.load()
        try:
            return self._ciphers[key_id]
        except KeyError:
            raise CannotDecrypt(
                f"The key {key_id} is not in {self.directory}. Put {key_id}.key back from your copy of the keys, "
                "or set KHATA_KEYS to the directory that has it."
            ) from None

    def _read(self, key_id: str) -> bytes:
        path = self._path(key_id)
        _refuse_open_mode(path, KEY_MODE)
        try:
            key = b64decode(path.read_bytes().strip(), validate=True)
        except PermissionError:
            raise KeyTrouble(f"{path} cannot be read by this user. Run Khata as the user who owns it.") from None
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise KeyTrouble(
                f"{path} does not hold {KEY_BYTES} bytes in base64. Put it back from your copy of the keys."
            )
        return key

    def _create(self, number: int) -> str:
        """A new key under an id of its number and random letters: two installations never share an id."""
        key_id = f"{number:04d}-{secrets.token_hex(4)}"
        draft = self.directory / f".{key_id}.draft"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._path(key_id))
        return key_id

    def _path(self, key_id: str) -> Path:
        return self.directory / f"{key_id}.key"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The directory to ourselves, and on disk when we leave: a key lost to a power cut loses what it sealed."""
        try:
            self.directory.mkdir(parents=True, mode=0o700, exist_ok=True)
            _refuse_open_mode(self.directory, DIRECTORY_MODE)
            descriptor = os.open(self.directory, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise KeyTrouble(
                f"The directory of keys {self.directory} cannot be made or written ({error.strerror}). "
                "Set KHATA_KEYS to one that this user may write."
            ) from None


def _age(key_id: str) -> int:
    return int(key_id[:4])


def open_to_others(directory: Path) -> Iterator[str]:
    """Each of these that is not for its owner alone, with what to do: the directory of keys, and its keys."""
    if not directory.is_dir():
        return
    yield from _open_mode(directory, DIRECTORY_MODE)
    for path in sorted(directory.glob(_KEY_FILES)):
        yield from _open_mode(path, KEY_MODE)


def _refuse_open_mode(path: Path, wanted: int) -> None:
    for trouble in _open_mode(path, wanted):
        raise KeyTrouble(trouble)


def _open_mode(path: Path, wanted: int) -> Iterator[str]:
    mode = path.stat().st_mode & 0o777
    if mode != wanted:
        yield f"{path} has mode {mode:04o}: others might read or change it. Run: chmod {wanted:04o} {path}"


class _Envelope(NamedTuple):
    key_id: str
    wrapped: bytes  # nonce, encrypted data key, tag
    sealed: bytes  # nonce, ciphertext, tag

    def packed(self) -> bytes:
        key_id = self.key_id.encode("ascii")
        return VERSION + bytes([len(key_id)]) + key_id + self.wrapped + self.sealed


def seal(ring: KeyRing, plain: bytes, context: str) -> bytes:
    """`plain` under a data key of its own. Only the same `context` opens it: name the row and the column."""
    data_key = secrets.token_bytes(KEY_BYTES)
    sealed = encrypt(AESGCM(data_key), plain, VERSION + context.encode())
    key_id = ring.primary
    return _Envelope(key_id, _wrap(ring, key_id, data_key, context), sealed).packed()


def unseal(ring: KeyRing, blob: bytes, context: str) -> bytes:
    """What `seal` was given. CannotDecrypt when it was changed or moved, or when its key is gone."""
    envelope = _unpacked(blob)
    data_key = _unwrap(ring, envelope, context)
    try:
        return decrypt(AESGCM(data_key), envelope.sealed, VERSION + context.encode())
    except InvalidTag:
        raise CannotDecrypt(f"What is stored for {context} was changed. Enter it again, and run doctor.") from None


def rewrap(ring: KeyRing, blob: bytes, context: str) -> bytes:
    """The same sealed value with its data key under the newest key; the very same bytes when it is already."""
    envelope = _unpacked(blob)
    newest = ring.primary
    if envelope.key_id == newest:
        return bytes(blob)
    wrapped = _wrap(ring, newest, _unwrap(ring, envelope, context), context)
    return _Envelope(newest, wrapped, envelope.sealed).packed()


def key_id_of(blob: bytes) -> str:
    """Which key of the ring wraps this sealed value; for `rotate_keys` and `doctor`."""
    return _unpacked(blob).key_id


def _unpacked(blob: bytes) -> _Envelope:
    blob = bytes(blob)
    start = 2 + (blob[1] if len(blob) > 1 else 0)
    if blob[:1] != VERSION or len(blob) < start + _WRAPPED_BYTES + NONCE_BYTES + TAG_BYTES:
        raise CannotDecrypt("The stored bytes are not in a form this version reads. Enter the credentials again.")
    try:
        key_id = blob[2:start].decode("ascii")
    except UnicodeDecodeError:
        raise CannotDecrypt("The stored bytes were changed. Enter the credentials again, and run doctor.") from None
    return _Envelope(key_id, blob[start : start + _WRAPPED_BYTES], blob[start + _WRAPPED_BYTES :])


def _wrap(ring: KeyRing, key_id: str, data_key: bytes, context: str) -> bytes:
    return encrypt(ring.cipher(key_id), data_key, f"{key_id}|{context}".encode())


def _unwrap(ring: KeyRing, envelope: _Envelope, context: str) -> bytes:
    try:
        return decrypt(ring.cipher(envelope.key_id), envelope.wrapped, f"{envelope.key_id}|{context}".encode())
    except InvalidTag:
        raise CannotDecrypt(
            f"What is stored for {context} was changed, belongs to another row, or was sealed by another key "
            f"named {envelope.key_id}. Check the keys in {ring.directory}; if they are right, enter it again."
        ) from None


def encrypt(cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def decrypt(cipher: AESGCM, blob: bytes, bound_to: bytes) -> bytes:
    return cipher.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], bound_to)
