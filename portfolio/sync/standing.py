"""Rows that are byte for byte as they were when their section was accepted last: neither parsed nor compared again.

The earlier reply is at hand, in the evidence: what it and the new one have in common stands in the book already.
Only what differs, on either side, is read, and by the trigger's own parser. Where anything is in doubt, the whole
section is read instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any, Final

import msgspec

from ..keys import CannotDecrypt
from ..triggers.base import Answer, Reply
from . import evidence
from .capture import ACCEPTED, Capture, Section, Seen

Bodies = dict[str, bytes]  # decrypted, by keyed digest in hex
FEW = 8  # rows that are looked for one by one

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list: Final = msgspec.json.Decoder(list[msgspec.Raw])


def earlier_bodies(captures: Iterable[Capture]) -> dict[str, Bodies]:
    """The bodies of the replies accepted last that were answered otherwise now, by account: one query for all."""
    wanted = {capture.account_id: (capture, _differing(capture)) for capture in captures}
    keys = [(account, bytes.fromhex(digest)) for account, (_, digests) in wanted.items() for digest in digests]
    bodies: dict[str, Bodies] = {account: {} for account in wanted}
    for (account, digest), sealed in (evidence.sealed_bodies(keys) if keys else {}).items():
        if account in wanted:
            try:
                bodies[account][digest.hex()] = wanted[account][0].evidence_key.decrypt(sealed, digest)
            except CannotDecrypt:
                continue  # then the section is read whole
    return bodies


def _differing(capture: Capture) -> list[str]:
    """The digests of earlier replies whose request was answered otherwise now."""
    digests: list[str] = []
    for name in capture.answers.keys() - capture.sections.keys():
        pair = _comparable(capture, name)
        if pair:
            before, now = pair
            digests += [digest for mark, digest in before.replies.items() if now.replies.get(mark, digest) != digest]
    return digests


def _comparable(capture: Capture, name: str) -> tuple[Seen, Seen] | None:
    """What was answered before and now, where the rows of one stand for those of the other."""
    before, now = capture.memory.seen.get(name), capture.seen(name)
    if not (before and now and capture.answers[name].rows_at and capture.takes_state) or capture.is_first:
        return None
    return (before, now) if before.day == now.day and before.replies.keys() <= now.replies.keys() else None


def what_differs(capture: Capture, name: str, bodies: Bodies) -> Section | None:
    """The section with only the rows that differ from those accepted last; None where it must be read whole."""
    pair, answer = _comparable(capture, name), capture.answers[name]
    if pair is None:
        return None
    try:
        fresh, gone = _split(answer, *pair, bodies)
        entries, aside = answer.parse(fresh) if fresh else ([], [])
        before, before_aside = answer.parse(gone) if gone else ([], [])
    except Exception:  # whatever it is, reading the whole section will say it
        return None
    if aside or before_aside:
        return None
    return Section(ACCEPTED, tuple(entries), (), pair[1], tuple(before))


def _split(answer: Answer, before: Seen, now: Seen, bodies: Bodies) -> tuple[list[Reply], list[Reply]]:
    """The replies with only the rows that are new, and the earlier ones with only those that are no more. LookupError
    when one of these still stands in another reply: pages may overlap."""
    fresh: list[Reply] = []
    gone: list[Reply] = []
    came: set[bytes] = set()
    went: list[tuple[bytes, Reply]] = []
    for reply, (mark, digest) in zip(answer.replies, now.replies.items(), strict=True):
        earlier = before.replies.get(mark)
        if earlier is None:
            fresh.append(reply)
        elif earlier != digest:
            rows, rows_before = Rows(reply.body, answer.rows_at), Rows(bodies[earlier], answer.rows_at)
            new, old = rows.without(rows_before), rows_before.without(rows)
            fresh += [reply._replace(body=rows.with_only(new))] if new else []
            gone += [reply._replace(body=rows_before.with_only(old))] if old else []
            came.update(new)
            went += [(row, reply) for row in old]
    others = ((row, other) for row, reply in went if row not in came for other in answer.replies if other is not reply)
    if any(row in other.body for row, other in others):
        raise LookupError("a row that is gone from one page stands on another")
    return fresh, gone


class Rows:
    """The rows of one reply, as they were sent."""

    def __init__(self, body: bytes, path: Sequence[str]) -> None:
        found: Any = _decoder(tuple(path)).decode(body)
        for key in path:
            found = getattr(found, key)
        listed = bytes(found)
        self.rows: Any = (_list if listed.startswith(b"[") else _object).decode(listed)
        self.brackets = (b"[", b"]") if listed.startswith(b"[") else (b"{", b"}")
        start = _only_place(listed, body)
        self.head, self.tail = body[:start], body[start + len(listed) :]

    def without(self, other: "Rows") -> list[bytes]:
        """The rows that the other reply has not."""
        if self.brackets != other.brackets:
            raise LookupError("the format has changed")
        return (_rows_left if self.brackets[0] == b"[" else _keys_left)(self.rows, other.rows)

    def with_only(self, rows: Iterable[bytes]) -> bytes:
        """The reply as if it had only these rows."""
        first, last = self.brackets
        return self.head + first + b",".join(rows) + last + self.tail


def _keys_left(rows: Mapping[str, msgspec.Raw], others: Mapping[str, msgspec.Raw]) -> list[bytes]:
    """Of an object, each key with its value."""
    return [msgspec.json.encode(key) + b":" + bytes(value) for key, value in rows.items() if others.get(key) != value]


def _rows_left(rows: Sequence[msgspec.Raw], others: Sequence[msgspec.Raw]) -> list[bytes]:
    """Nearly all stand where they stood. Few others are looked for one by one, which costs less than to hash them all;
    where a row came in at the top all the rest have moved."""
    moved = [row for row, there in zip_longest(rows, others) if row is not None and row != there]
    if len(moved) <= FEW:
        return [bytes(row) for row in moved if row not in others]
    standing = {*map(bytes, others)}
    return [row for row in map(bytes, moved) if row not in standing]


def _only_place(part: bytes, whole: bytes) -> int:
    """Where the part stands; LookupError when it stands there twice. Looking for its beginning is far cheaper, and no
    further than where all of it has room."""
    beginning, places, start = part[:64], [], -1
    end = len(whole) - len(part) + len(beginning)
    while (start := whole.find(beginning, start + 1, end)) >= 0:
        if whole.startswith(part, start):
            places.append(start)
    if len(places) != 1:
        raise LookupError("which list is meant cannot be told")
    return places[0]


@lru_cache
def _decoder(path: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    expected: Any = msgspec.Raw
    for key in reversed(path):
        expected = msgspec.defstruct(f"around_{key}", [(key, expected)])
    return msgspec.json.Decoder(expected)
