"""Checkpoints: signed statements of how large the tree of pages is, and of its root. Verifies them; cannot sign.

The forms are those of C2SP: tlog-checkpoint for the text (origin, size, root), signed-note for the signatures. The
origin names the installation and is the key's name too. A file of checkpoints is one after the other.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from . import ed25519
from .errors import BadCheckpoint

ED25519 = b"\x01"
MOST_SIGNATURES = 100
_DASH = "— "
_WHERE = "Keep checkpoints as `manage.py checkpoint --out` writes them."


class Key(NamedTuple):
    """A key that signs checkpoints: its name, and the 32 bytes of its public half."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """4 bytes that tell keys of a name apart. They are no proof of anything."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(ED25519 + self.public)}"


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


class Signature(NamedTuple):
    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A checkpoint with who signed it. `text` is exactly what was signed; `line` is where it stands in its file."""

    checkpoint: Checkpoint
    text: str
    signatures: tuple[Signature, ...]
    line: int = 1

    def __str__(self) -> str:
        lines = (f"{_DASH}{s.name} {_base64(s.key_id + s.signature)}\n" for s in self.signatures)
        return f"{self.text}\n{''.join(lines)}"

    def signed_by(self, key: Key) -> bool | None:
        """Whether this key signed it: None when there is no signature of its name and id."""
        for one in self.signatures:
            if (one.name, one.key_id) == (key.name, key.id):
                return ed25519.is_valid(key.public, self.text.encode(), one.signature)
        return None


def signed(checkpoint: Checkpoint, key: Key, signature: bytes) -> Note:
    return Note(checkpoint, str(checkpoint), (Signature(key.name, key.id, signature),))


def read_key(text: str) -> Key:
    """The key that `str(key)` wrote: name, id and public half between plus signs."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    public = _bytes(encoded)
    if not name or public is None or len(public) != 33 or public[:1] != ED25519:
        raise BadCheckpoint(f"{text.strip()[:80]!r} is no key: one line of NAME+ID+KEY is wanted, as in signing.pub")
    key = Key(name, public[1:])
    if key_id != key.id.hex():
        raise BadCheckpoint(f"the key {name} has the id {key.id.hex()}, and not {key_id}: it was changed or cut")
    return key


def read_notes(text: str) -> list[Note]:
    """Every checkpoint of a file, in its order. BadCheckpoint names the line of what is none."""
    lines = text.split("\n")
    return list(_notes(lines))


def _notes(lines: list[str]) -> Iterator[Note]:
    place, end = 0, len(lines)
    while place < end:
        if not lines[place]:
            place += 1
            continue
        first = place
        while place < end and lines[place]:
            place += 1
        body = lines[first:place]
        place += 1
        signatures = []
        while place < end and lines[place].startswith(_DASH):
            signatures.append(_signature(lines[place], place + 1))
            place += 1
        if not signatures or len(signatures) > MOST_SIGNATURES:
            raise BadCheckpoint(f"line {first + 1}: a checkpoint without its signature. {_WHERE}")
        yield Note(_checkpoint(body, first + 1), "".join(f"{line}\n" for line in body), tuple(signatures), first + 1)


def _checkpoint(body: list[str], line: int) -> Checkpoint:
    if len(body) < 3:
        raise BadCheckpoint(f"line {line}: a checkpoint has three lines: origin, size and root. {_WHERE}")
    origin, size, root = body[:3]
    decoded = _bytes(root)
    if not size.isascii() or not size.isdecimal() or str(int(size[:30])) != size:
        raise BadCheckpoint(f"line {line + 1}: {size[:40]!r} is no size of a tree. {_WHERE}")
    if decoded is None or len(decoded) != 32:
        raise BadCheckpoint(f"line {line + 2}: {root[:60]!r} is no root of a tree. {_WHERE}")
    return Checkpoint(origin, int(size), decoded)


def _signature(line: str, number: int) -> Signature:
    name, _, encoded = line[len(_DASH) :].partition(" ")
    blob = _bytes(encoded)
    if not name or "+" in name or blob is None or len(blob) < 5:
        raise BadCheckpoint(f"line {number}: a signature that cannot be read. {_WHERE}")
    return Signature(name, blob[:4], blob[4:])


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _bytes(text: str) -> bytes | None:
    """What this base64 says; None when it is not in the one form that it has."""
    try:
        value = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if _base64(value) == text else None
