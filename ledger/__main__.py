"""`python -m ledger verify FILE [--checkpoint FILE]... [--key PUB]`: checks an export of a book, or an order's proof.

Needs Python and this folder alone. Exit code 0: all fits; 1: something does not, each by name; 2: bad input.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .checkpoint import Key, read_key, read_notes
from .errors import LedgerError, why_unread
from .findings import Signed, plain
from .lines import PROOF
from .preamble import Checked, Kept
from .verify import check

T = TypeVar("T")
SHOWN = ("version", "order_status", "transaction_type", "symbol", "quantity", "filled_quantity", "price", "detected_at")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    try:
        kept = Kept([one for path in options.checkpoint for one in _notes(path)], _key(options.key))
        checked = _checked(options.file, kept)
    except LedgerError as error:
        print(error, file=sys.stderr)
        return 2
    print(_json(checked) if options.json else _text(checked))
    return 1 if checked.findings else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ledger", description=__doc__)
    verify = parser.add_subparsers(required=True).add_parser("verify", help="check an export or a proof")
    verify.add_argument("file", type=Path, metavar="FILE", help="the export or the proof")
    verify.add_argument("--checkpoint", type=Path, action="append", default=[], metavar="FILE", help="those you kept")
    verify.add_argument("--key", metavar="PUB", help="the public key that must have signed: the key, or its file")
    verify.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    return parser.parse_args(arguments)


def _checked(path: Path, kept: Kept) -> Checked:
    try:
        with path.open("rb") as file:
            return check(file, kept)
    except LedgerError as error:
        raise LedgerError(f"{path}: {error}") from None
    except OSError as error:
        raise LedgerError(f"{path}: {why_unread(error)}") from None


def _notes(path: Path) -> list[Signed]:
    notes = _read(path, read_notes)
    if not notes:
        raise LedgerError(f"{path} holds no checkpoint")
    return [Signed(note, str(path)) for note in notes]


def _key(given: str | None) -> Key | None:
    if given is None:
        return None
    return read_key(given) if given.count("+") >= 2 else _read(Path(given), read_key)


def _read(path: Path, parse: Callable[[str], T]) -> T:
    try:
        return parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path}: {why_unread(error)}") from None
    except LedgerError as error:
        raise LedgerError(f"{path}: {error}") from None


def _json(checked: Checked) -> str:
    return json.dumps({**vars(checked), "findings": [finding._asdict() for finding in checked.findings]}, indent=2)


def _text(checked: Checked) -> str:
    what = f"an export of the account {checked.account}" if checked.account else "an export of a book"
    what = "the proof of an order" if checked.kind == PROOF else what
    told = [
        f"This is {what} of {checked.origin}: {_counted(checked.rows, 'row')} in {_counted(checked.pages, 'page')}."
    ]
    told += ["  " + ", ".join(f"{name} {row[name]}" for name in SHOWN) for row in checked.versions]
    if checked.findings:
        told += [f"{len(checked.findings):,} of it not as it was sealed:", *(f"  {one}" for one in checked.findings)]
    elif checked.above:
        told.append(
            f"{checked.pages - checked.above:,} of the {_counted(checked.pages, 'page')} are as they were sealed."
        )
    else:
        told.append("All as it was sealed.")
    told.append(f"The last checkpoint that fits covers {_counted(checked.covered, 'page')} of the installation.")
    if checked.is_held_against_kept:
        told.append(f"The last one of yours that fits covers {_counted(checked.covered_by_kept, 'page')} of it.")
    if checked.above:
        says = "above that: it does not show that they are as they were sealed."
        told.append(f"{checked.above:,} of the {_counted(checked.pages, 'page')} here lie {says}")
    if not checked.is_held_against_kept:
        told.append("No checkpoint of yours was given: this shows that the file agrees with itself, and no more.")
    return "\n".join(map(plain, told))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
