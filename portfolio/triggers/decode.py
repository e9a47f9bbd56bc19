"""Exact reading of broker replies: numbers become Decimal straight from their text, never float.

The fast way decodes a whole reply into typed rows. When that fails, the slow way reads the same reply
with the standard library and takes it row by row, so that one bad row is set aside with a reason and
the others stay. Nothing here raises anything but UnexpectedReply. Unknown fields are ignored.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from ledger.entries import SetAside
from ledger.errors import BadValue

from .base import Reply, UnexpectedReply
from .times import Times, z_is_indian

Row = TypeVar("Row", bound=msgspec.Struct)
Entry = TypeVar("Entry", bound=tuple[Any, ...])
Read = tuple[list[Row], list[SetAside]]

REASON_LIMIT: Final = 200
UNFIT = (BadValue, ArithmeticError, ValueError)  # what building an entry raises of a row that cannot stand
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def is_deeper_than(limit: int, body: bytes) -> bool:
    """Whether JSON is nested deeper than `limit`, without parsing it: each round removes the innermost level."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    outside_strings = b"".join(body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    shape = outside_strings.translate(_BRACKETS, _ALL_BUT_BRACKETS)
    for rounds in range(limit + 1):
        inner_gone = shape.replace(b"[]", b"")
        if inner_gone == shape:
            return rounds + shape.count(b"[") > limit  # unbalanced, or nothing left
        shape = inner_gone
    return True


def exact(body: bytes) -> Any:
    """JSON by the standard library, every number a Decimal; NaN and Infinity pass, for the row to be judged."""
    try:
        return json.loads(body, parse_float=_number, parse_int=_number, parse_constant=Decimal)
    except RecursionError:
        raise UnexpectedReply("the broker's answer is nested too deeply to be read") from None
    except ValueError as error:
        raise UnexpectedReply(f"the broker's answer is not JSON ({short(error)})") from None


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent beyond all bounds: no number that anybody holds
        return Decimal("NaN")


def number(value: Any) -> Decimal | None:
    """A number, or a number written as text; ValueError for anything else."""
    if value is None or value == "":
        return None
    try:
        return value if isinstance(value, Decimal) else Decimal(str(value))
    except ArithmeticError:
        raise ValueError(f"not a number: {str(value)[:40]!r}") from None


def saying(says: tuple[str, str] | None, value: Any) -> Any:
    """`value`, when it carries what a good reply must say."""
    if says and not (isinstance(value, dict) and value.get(says[0]) == says[1]):
        raise UnexpectedReply(f"the broker's answer does not say {says[0]} {says[1]}")
    return value


def at_path(value: Any, path: Sequence[str]) -> Any:
    """What stands at `path` in a reply, None where the way ends in null or in nothing."""
    for key in path:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise UnexpectedReply(f"the broker's format has changed: no object around {key!r}")
        value = value.get(key)
    return value


def one(raw: Any, row: type[Row]) -> Row:
    """One object as a typed row; null and empty text count as not given. ValueError with a reason when it cannot be."""
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    texts = _text_fields(row)
    given = {
        key: str(value) if isinstance(value, Decimal) and key in texts else value
        for key, value in raw.items()
        if value is not None and value != ""
    }
    try:
        return msgspec.convert(given, row, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(_reason(str(error), given)) from None


@lru_cache
def _text_fields(row: type[msgspec.Struct]) -> frozenset[str]:
    """Fields that are text: an id that comes as a number is still that id."""
    return frozenset(each.encode_name for each in msgspec.structs.fields(row) if each.type in (str, str | None))


_FIELD = re.compile(r"`\$\.(\w+)|required field `(\w+)`")


def _reason(message: str, given: dict[str, Any]) -> str:
    found = _FIELD.search(message)
    if found is None:
        return short(message)
    name = found[1] or found[2]
    return f"{name} is missing" if found[2] else f"{name} cannot be read: {str(given.get(name))[:40]!r}"


def why(error: Exception) -> str:
    """For a person: why a row was set aside."""
    return "not a number" if isinstance(error, ArithmeticError) else short(error)


def short(message: object) -> str:
    """The beginning and the end, when it is long: a number of 5,000 digits is no reason."""
    text = str(message).encode("utf-8", "replace").decode()
    return text if len(text) <= REASON_LIMIT else f"{text[:60]}...{text[63 - REASON_LIMIT :]}"


def row_type(
    *, texts: str = "", numbers: str = "", more_texts: str = "", more_numbers: str = "", lists: str = ""
) -> Any:
    """A typed row from the names of its fields. `texts` and `numbers` must be there; the rest is None if not."""
    fields: list[Any] = [(key, str) for key in texts.split()] + [(key, Decimal) for key in numbers.split()]
    fields += [(key, str | None, None) for key in more_texts.split()]
    fields += [(key, Decimal | None, None) for key in more_numbers.split()]
    fields += [(key, list[str] | None, None) for key in lists.split()]
    return msgspec.defstruct("Row", fields, gc=False)


class ListReader(Generic[Row]):
    """Reads the list at `path` of a reply. A list that is null or absent is empty; what cannot be read is set aside.

    `subject` is the field that names a row; `says` is a (field, value) that the reply must carry at its top.
    """

    def __init__(
        self, section: str, path: Sequence[str], row: type[Row], subject: str, says: tuple[str, str] | None = None
    ) -> None:
        self.section, self.path, self.row, self.subject, self.says = section, path, row, subject, says
        expected: Any = list[row] | None  # type: ignore[valid-type]
        for key in reversed(path[1:]):
            expected = msgspec.defstruct(f"{section}_{key}", [(key, expected | None, None)])
        fields: list[Any] = [(path[0], expected | None, None)]
        if says:
            fields.insert(0, (says[0], Literal[says[1]]))
        self._decoder = msgspec.json.Decoder(msgspec.defstruct(section, fields))

    def read(self, body: bytes) -> Read[Row]:
        try:
            found: Any = self._decoder.decode(body)
        except (ValueError, ArithmeticError, RecursionError):
            return self._read_row_by_row(body)
        for key in self.path:
            found = getattr(found, key, None)
        return found or [], []

    def _read_row_by_row(self, body: bytes) -> Read[Row]:
        found = at_path(saying(self.says, exact(body)), self.path)
        if found is None:
            return [], []
        if not isinstance(found, list):
            raise UnexpectedReply(f"the broker's format has changed: {self.path[-1]} is not a list")
        rows: list[Row] = []
        aside: list[SetAside] = []
        for raw in found:
            try:
                rows.append(one(raw, self.row))
            except ValueError as error:
                subject = raw.get(self.subject) if isinstance(raw, dict) else ""
                aside.append(SetAside(self.section, short(subject or "")[:64], str(error)))
        if aside and not rows and all(each.reason.endswith(" is missing") for each in aside):
            raise UnexpectedReply(f"the broker's format has changed: {aside[0].reason} in every row")
        return rows, aside


@dataclass(frozen=True, slots=True)
class Section(Generic[Row, Entry]):
    """How one section is read: from typed rows to entries, each checked, none twice."""

    reader: ListReader[Row]
    build: Callable[[Row, Reply, Times], Entry]  # BadValue when the row cannot be kept
    wrong: Callable[[Entry], str | None]
    identity: Callable[[Entry, int], Hashable]  # of an entry and its number in the reply

    def parse(self, replies: Iterable[Reply]) -> tuple[list[Entry], list[SetAside]]:
        replies = list(replies)
        are_indian = z_is_indian(replies)
        kept: dict[Hashable, Entry] = {}
        aside: list[SetAside] = []
        for reply in replies:
            times = Times(reply.fetched_at, are_indian)
            rows, unread = self.reader.read(reply.body)
            aside += unread
            for number, row in enumerate(rows):
                try:
                    entry = self.build(row, reply, times)
                    reason = self.wrong(entry) or _twice(kept.setdefault(self.identity(entry, number), entry), entry)
                except UNFIT as error:
                    reason = why(error)
                if reason:
                    aside.append(SetAside(self.reader.section, self._subject(row), reason))
        return list(kept.values()), aside

    def _subject(self, row: Row) -> str:
        return short(getattr(row, self.reader.subject))[:64]


def _twice(first: tuple[Any, ...], second: tuple[Any, ...]) -> str | None:
    return None if first is second or first == second else "given twice with different content; the first one stands"


@lru_cache(maxsize=8192)
def isin(value: str | None) -> str | None:
    """An ISIN in its form, None where none is given; BadValue for anything else."""
    if value and not _ISIN.fullmatch(value):
        raise BadValue(f"not an ISIN: {value[:20]!r}")
    return value or None


def csv_rows(body: bytes, columns: Sequence[str], more_columns: Sequence[str] = ()) -> Iterator[list[str]]:
    """The named columns of a CSV file, row by row, wherever they stand; `more_columns` are "" where there are none.
    A row cut short is left out."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", errors="replace", newline=""))
    try:
        header = next(lines, [])
        if not set(columns) <= set(header):
            raise UnexpectedReply(f"the broker's file has no columns {sorted(set(columns) - set(header))}")
        places = [header.index(column) if column in header else -1 for column in (*columns, *more_columns)]
        last = max(places)
        yield from ([line[place] if place >= 0 else "" for place in places] for line in lines if len(line) > last)
    except csv.Error as error:
        raise UnexpectedReply(f"the broker's file is no CSV: {error}") from None
