"""Reads a file of past fills: which format it is, and each line as a fill. Strict; one bad line refuses the whole file.

A file is hostile: its size, its lines and its characters are limited, and nothing in it is repaired or guessed.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from io import StringIO
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from ledger.entries import BUY, SELL, Trade
from ledger.errors import BadValue
from ledger.fills import FIRST_DAY
from ledger.normalise import IST, money, price, quantity

LARGEST_BYTES = 50_000_000
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", re.ASCII)
_LENGTH = 64  # of a text, where nothing else is said
_TEXT = re.compile(r"[^\x00-\x1f\x7f]{0,100}")
_REWRITTEN = re.compile(r"\s*[0-9]+([.,][0-9]*)?E\+?[0-9]+\s*", re.ASCII | re.IGNORECASE)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CUT_UNSEEN = (  # columns in which a part of a value is a value
    "quantity", "price", "symbol", "exchange", "product", "trade_id", "order_id", "trade_time", "order_execution_time",
)  # fmt: skip
_EMPTY_UNSEEN = ("isin", "segment")  # in which nothing is a value, and a part of one is not
_WHOLE_TIME = re.compile(r"(.*[T ])?[0-9]{2}:[0-9]{2}:[0-9]{2}.*", re.ASCII)


class NotReadable(Exception):
    """The file cannot be taken; the message names the line and says what to do. Nothing was written."""


class Columns(NamedTuple):
    """Where the columns of a file are, by their normalised names."""

    places: dict[str, int]

    def of(self, *names: str) -> Callable[[Sequence[str]], Sequence[str]]:
        """Reads these cells of a row; "" where the file has no such column."""
        pick = itemgetter(*(self.places.get(name, -1) for name in names))  # the last cell is one that no file has
        return lambda row: pick([*row, ""])


class Format(NamedTuple):
    """`needed` columns tell the format. `reader` makes of the columns what turns a row into a fill; BadValue from it
    says what is wrong with the row. `broker`: whose files these are; None for files of our own."""

    name: str
    title: str
    broker: str | None
    needed: frozenset[str]
    reader: Callable[[Columns], Callable[[Sequence[str]], Trade]]


class Statement(NamedTuple):
    """A file as it was read. `body` is the file itself."""

    format: Format
    body: bytes
    trades: list[Trade]


def read(path: Path, formats: Sequence[Format]) -> Statement:
    body = _body(path)
    text = _decoded(path, body)
    lines = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        number, header = next((number, row) for number, row in enumerate(lines, 1) if any(row))
        format_, columns = _recognised(header, formats)
        _refuse_a_cut_value(text, header)
        trades = list(_trades(lines, format_.reader(columns), len(header)))
    except StopIteration:
        raise NotReadable(f"{path}: the file is empty") from None
    except csv.Error as error:
        raise NotReadable(
            f"{path}, line {lines.line_num}: no line of a CSV file ({error}); download it again"
        ) from None
    except NotReadable as error:
        raise NotReadable(f"{path}, {error}") from None
    if not trades:
        raise NotReadable(f"{path}: there is no fill in it, only the line {number} of column names")
    return Statement(format_, body, trades)


def _body(path: Path) -> bytes:
    try:
        size = path.stat().st_size  # of a pipe it says nothing
        if size <= LARGEST_BYTES:
            with path.open("rb") as file:
                body = file.read(LARGEST_BYTES + 1)
            size = len(body)
    except OSError as error:
        raise NotReadable(f"{path} cannot be read: {error.strerror}") from None
    if size > LARGEST_BYTES:
        raise NotReadable(
            f"{path}: it is larger than the {LARGEST_BYTES // 1_000_000} MB that are taken at once; download it in "
            "parts, such as a year each, and import them one after the other"
        )
    return body


def _decoded(path: Path, body: bytes) -> str:
    if body.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise NotReadable(f"{path}: a spreadsheet, not a CSV file; download it as CSV, or save it as CSV UTF-8")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise NotReadable(f"{path}, line {line}: not in UTF-8; save the file as CSV UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise NotReadable(f"{path}, line {line}: not in UTF-8; save the file as CSV UTF-8")
    return text


def _refuse_a_cut_value(text: str, header: Sequence[str]) -> None:
    """A file that was cut off within its last value would be read as another value."""
    column, last = "_".join(header[-1].strip().lower().split()), text.rpartition(",")[2]
    if text.endswith(("\n", "\r")) or column not in (*_CUT_UNSEEN, *_EMPTY_UNSEEN):
        return
    if not last if column in _EMPTY_UNSEEN else not ("time" in column and _WHOLE_TIME.fullmatch(last)):
        line = len(text.splitlines())
        raise NotReadable(
            f"line {line}: it does not end with the end of a line, so its {header[-1].strip()} may be cut off; "
            "download the file again, or end its last line"
        )


def _recognised(header: Sequence[str], formats: Sequence[Format]) -> tuple[Format, Columns]:
    names = ["_".join(cell.strip().lower().split()) for cell in header]
    columns = Columns({name: place for place, name in enumerate(names)})
    for each in formats:
        if each.needed <= set(names):
            if len(set(names)) < len(names):
                raise NotReadable("line 1: a column stands there twice; download the file again")
            return each, columns
    nearest = min(formats, key=lambda each: len(each.needed - set(names)))
    missing = ", ".join(sorted(nearest.needed - set(names)))
    shown = ", ".join(cell.strip() for cell in header[:12])[:200]
    if len(header) == 1 and (other := next((sign for sign in ";\t|" if sign in shown), "")):
        raise NotReadable(f"line 1: its columns are separated by {other!r}, not by commas; save it as CSV UTF-8")
    raise NotReadable(
        f"line 1: not a file that can be read here. Its columns are: {shown}. "
        f"Known are {' and '.join(each.title for each in formats)}; for {nearest.title} these are missing: {missing}"
    )


def _trades(lines: Any, made: Callable[[Sequence[str]], Trade], width: int) -> Iterator[Trade]:
    """`lines` is a reader of CSV, which knows where it is."""
    for row in lines:
        if len(row) != width:
            if not any(row):
                continue
            why = "was cut off or changed" if len(row) < width else "has a number with a comma in it, or was changed"
            raise NotReadable(
                f"line {lines.line_num}: {len(row)} columns, not {width}; the file {why}, download it again"
            )
        try:
            yield _of_an_amount_that_fits(made(row))
        except BadValue as error:
            raise NotReadable(f"line {lines.line_num}: {error}") from None


def _of_an_amount_that_fits(trade: Trade) -> Trade:
    try:
        money(trade.quantity * trade.price)
    except BadValue as error:
        raise BadValue(f"amount: quantity times price: {error}") from None
    return trade


# Cells. The same few values stand in thousands of lines.


@lru_cache(maxsize=8192)
def quantity_of(text: str) -> Decimal:
    value = quantity(_number("quantity", text))
    if not value:
        raise BadValue("quantity: 0 is no fill")
    return value


@lru_cache(maxsize=8192)
def price_of(text: str) -> Decimal:
    return price(_number("price", text))


def _number(what: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise BadValue(f"{what}: {text[:40]!r} is no number; write it as 1234.50, without separators or signs")
    return Decimal(text)


@lru_cache(maxsize=8192)
def day_of(text: str) -> date:
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day < FIRST_DAY:
        raise BadValue(f"date: {text[:40]!r} is no day; write it as 2026-10-19")
    return day


def moment_of(text: str, day: date) -> datetime:
    """A time in India, on the fill's own day, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadValue(f"time: {text[:40]!r} is no time; write it as 2026-10-19T10:15:30") from None
    local = moment.replace(tzinfo=IST) if moment.tzinfo is None else moment.astimezone(IST)
    if local.date() != day:
        raise BadValue(f"time: {text} is not on {day}")
    return local.astimezone(UTC)


@lru_cache(maxsize=64)
def side_of(text: str) -> str:
    side = text.strip().upper()
    if side not in (BUY, SELL):
        raise BadValue(f"side: {text[:40]!r} is neither buy nor sell")
    return side


@lru_cache(maxsize=8192)
def isin_of(text: str) -> str | None:
    if text and not _ISIN.fullmatch(text):
        raise BadValue(f"isin: {text[:40]!r} is no ISIN; it has 12 characters, such as INE467B01029")
    return text or None


def text_of(what: str, text: str, limit: int = _LENGTH) -> str:
    """For what is another one in each line; what stands in many is told by `name_of`."""
    if len(text) > limit or not _TEXT.fullmatch(text):
        raise BadValue(f"{what}: {text[:40]!r} is longer than {limit} characters, or has signs that are no text")
    return text.strip()


def number_of(what: str, text: str) -> str:
    """An exchange's or a broker's own number, as it was written: of a rewritten one the last digits are lost."""
    if text.isascii() and text.isdigit() and len(text) <= _LENGTH:  # nearly all are
        return text
    if _REWRITTEN.fullmatch(text):
        raise BadValue(
            f"{what}: {text[:40]!r} is a number that a spreadsheet rewrote; download the file again, and do not save "
            "it from a spreadsheet"
        )
    return text_of(what, text)


name_of = lru_cache(maxsize=8192)(text_of)
