"""Checks an export of a book, or the proof of one order, with nothing but this folder and Python.

Every mismatch is named, with its line. What proves something is the checkpoints that the reader kept: those that
come with the file only show that it agrees with itself.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO

from . import lines, merkle
from .canonical import ORDER
from .checkpoint import Note
from .errors import BadExport
from .exported import CUT_OFF, Book
from .findings import CHECKPOINTS, TREE, Finding, Signed, held_against, last_size
from .page import Page
from .preamble import Checked, Kept, Preamble, Reader, fields_of, name_of, page_of

MOST_DIGITS = 18  # of a version's number, which the table keeps as an integer
OLDER = "it is an older state, or this file was made before that"


def check(file: BinaryIO, kept: Kept | None = None) -> Checked:
    """BadExport when it is neither an export nor a proof."""
    kept, reader = kept or Kept(), Reader(file)
    preamble = Preamble(reader, kept)
    checked = Checked(preamble.kind, preamble.origin, preamble.account, findings=preamble.findings)
    everything = [*preamble.notes, *kept.notes]
    if preamble.kind == lines.PROOF:
        below, size, roots = _check_proof(reader, preamble, checked), 0, None
    else:
        book = Book(reader, preamble, checked, {one.note.checkpoint.size for one in everything})
        below, (size, roots) = book.below, book.check()
    older = OLDER
    if roots is None or preamble.account:
        size, roots = preamble.last.checkpoint.size if preamble.last else 0, preamble.joined_roots(everything)
    elif CUT_OFF in [one.says for one in checked.findings]:
        older = ""  # each checkpoint above the cut would say again what is said
    judged, fitting = held_against(everything, preamble.origin, preamble.key, size, roots, older)
    checked.findings += judged
    for note, where in filter(lambda one: preamble.is_ours(one.note), kept.notes):
        if note.checkpoint.size <= size and note.checkpoint.size not in roots:
            says = (
                f"this file is not joined to the checkpoint of {note.checkpoint.size} pages ({where}): make it again "
            )
            checked.findings.append(Finding(f"{says}with --checkpoint and that file", table=CHECKPOINTS))
    _count_covered(checked, fitting, kept, below)
    return checked


def _count_covered(checked: Checked, fitting: list[Signed], kept: Kept, below: Callable[[int], int]) -> None:
    """Whoever has the key can have made anew what only the file's own checkpoints cover."""
    own = set(kept.notes)
    checked.covered = last_size(fitting)
    checked.covered_by_kept = last_size([one for one in fitting if one in own])
    checked.is_held_against_kept = bool(own)
    checked.above = checked.pages - below(checked.covered_by_kept if own else checked.covered)


def _check_proof(reader: Reader, preamble: Preamble, checked: Checked) -> Callable[[int], int]:
    """Returns how to count the pages that the checkpoint of a size covers."""
    last = preamble.last
    if not preamble.notes:
        raise BadExport("the proof has no checkpoint, so it proves nothing")
    positions: dict[bytes, int] = {}
    while (text := reader.next()) is not None:
        if not text.startswith(lines.PLACE):
            break
        _check_version(reader, text, last, checked, positions)
    if text is None or (reader.is_at_end() and not text.endswith(b'"]')):
        checked.findings.append(Finding(CUT_OFF, line=reader.number))
    elif text != lines.line("end", checked.rows, checked.rows)[:-1] or reader.next() is not None:
        checked.findings.append(Finding("the end does not fit, or something was added after it", line=reader.number))
    checked.pages = len(positions)
    checked.findings += _judge_order(checked.versions)
    names = {(row["broker_account_id"], row["groww_order_id"], row["order_date"]) for row in checked.versions}
    if len(names) > 1 or not (names or checked.findings):
        checked.findings.append(
            Finding("the rows are not of one order" if names else "it shows no version of an order")
        )
    return lambda size: bisect_right(sorted(positions.values()), size)


def _judge_order(versions: list[dict[str, str | None]]) -> Iterator[Finding]:
    """They are numbered from 1: one that is kept back shows by the number of the next."""
    numbers = [int(row["version"] or 0) for row in versions]
    for before, number in pairwise([0, *sorted(set(numbers))]):
        if number > before + 1:
            gone = f"{before + 1} is" if number == before + 2 else f"{before + 1} to {number - 1} are"
            yield Finding(f"version {gone} missing", table=ORDER.name)
    for number, times in Counter(numbers).items():
        if times > 1:
            yield Finding(f"version {number} is there {'twice' if times == 2 else f'{times} times'}", table=ORDER.name)
    for before, number in pairwise(numbers):
        if number < before:
            yield Finding(f"version {number} stands after version {before}", table=ORDER.name)


def _version_in_its_page(reader: Reader) -> tuple[Page, list[str | None], bytes | None]:
    """The page, the fields of the row, and the root that its path makes of it; None where the path cannot be right."""
    within, page_text, row = [*reader.take(3), b"", b""][:3]
    what, index, path = lines.strings_of(within)
    page, fields = page_of(page_text), fields_of(row)
    if what != lines.IN_PAGE:
        raise BadExport("its place in its page is wanted")
    if page is None or fields is None or len(fields) != len(ORDER.fields) or name_of(row)[0] != ORDER.name:
        raise BadExport("a page and a row of an order are wanted")
    leaf = merkle.leaf_hash(row)
    return page, fields, merkle.root_from_path(leaf, int(index), page.entries_count, lines.path_of(path))


def _numbered(fields: list[str | None]) -> dict[str, str | None]:
    version = dict(zip(ORDER.columns, fields, strict=True))
    number = version["version"] or ""
    if not number.isascii() or not number.isdecimal() or len(number) > MOST_DIGITS:
        raise BadExport("it has no number")
    return version


def _check_version(
    reader: Reader, place: bytes, last: Note | None, checked: Checked, positions: dict[bytes, int]
) -> None:
    """One row, up to its page and on to the checkpoint. `positions`: of the pages, by their hash."""
    line = reader.number
    try:
        page, fields, root = _version_in_its_page(reader)
        version = _numbered(fields)
        _, position, path = lines.strings_of(place)
        nodes, size = lines.path_of(path), last.checkpoint.size if last else 0
        top = merkle.root_from_path(merkle.leaf_hash(page.hash), int(position) - 1, size, nodes)
    except (ValueError, BadExport) as error:
        if reader.is_at_end():  # it was cut off here, which is said anyway
            return
        why = f": {error}" if isinstance(error, BadExport) else ""
        checked.findings.append(Finding(f"this version is damaged{why}", line=line))
        return
    positions[page.hash] = int(position)
    checked.rows += 1
    checked.versions.append(version)
    account = str(fields[1])
    if root != page.root:
        checked.findings.append(Finding("the row was changed", account, page.number, ORDER.name, str(fields[0]), line))
    if last and top != last.checkpoint.root:
        says = "its page is not in the tree that was signed"
        checked.findings.append(Finding(says, account, page.number, TREE, position, line))
