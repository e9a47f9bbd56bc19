"""manage.py correct: a person sets a transaction or an order right; what stood before stays in the book."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...corrections import Author, BadCorrection, Corrected, correct_order, revise, void
from ...values import as_json
from ..arguments import a_day, accounts_named, an_id, login_name, refusing, words


class Command(BaseCommand):
    help = (
        "Write a corrected revision of a transaction, or version of an order, beside what is there. Who and why are "
        "kept encrypted. Exit code 0: written; 2: refused, nothing was written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="kind", required=True)
        fill = kinds.add_parser("transaction", help="a fill, or what else moves quantity or cash")
        fill.add_argument("name", help="its source id, or the id of one of its revisions: the admin shows them")
        fill.add_argument("--quantity", type=_number, metavar="UNITS")
        fill.add_argument("--price", type=_number, metavar="INR", help="per unit")
        fill.add_argument("--date", dest="trade_date", type=a_day, metavar="DAY")
        fill.add_argument("--side", dest="transaction_type", type=str.upper, metavar="BUY|SELL")
        fill.add_argument("--product", type=str.upper, metavar="CODE", help="CNC for delivery, MIS for the day only")
        fill.add_argument("--void", action="store_true", help="it was none: it counts as nothing from now on")
        order = kinds.add_parser("order", help="an order")
        order.add_argument("name", help="the broker's order id")
        order.add_argument("--day", type=a_day, metavar="DAY", help="of an id that was used on several days")
        order.add_argument("--filled", dest="filled_quantity", type=_number, metavar="UNITS")
        order.add_argument("--average", dest="average_fill_price", type=_number, metavar="INR")
        order.add_argument("--status", choices=["EXECUTED", "PARTIALLY_FILLED", "CANCELLED", "REJECTED", "EXPIRED"])
        for each in (fill, order):
            each.add_argument("--account", type=an_id, required=True, metavar="ID")
            each.add_argument(
                "--by", type=words, default="", metavar="NAME", help="who says so (default: your login name)"
            )
            each.add_argument("--reason", type=words, default="", help="why, in your words (default: asked for)")
            each.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        with refusing(BadCorrection):
            corrected = self._correct(options)
        if options["json"]:
            self.stdout.write(as_json(corrected._asdict()))
            return
        self.stdout.write(f"{corrected.subject}\n")
        for name, value in corrected.after.items():
            self.stdout.write(f"  {_words(name, corrected.before[name], value)}\n")

    def _correct(self, options: dict[str, Any]) -> Corrected:
        (account,) = accounts_named([options["account"]])
        names = ORDER if options["kind"] == "order" else TRANSACTION
        changes = {name: options[name] for name in names if options[name] is not None}
        author = Author(options["by"] or login_name(), options["reason"] or self._reason())
        if options["kind"] == "order":
            return correct_order(account, options["name"], options["day"], changes, author)
        if options["void"]:
            if changes:
                raise BadCorrection("what is void has no other figures: give --void alone")
            return void(account, options["name"], author)
        return revise(account, options["name"], changes, author)

    def _reason(self) -> str:
        if sys.stdin.isatty():
            self.stdout.write("Why? ", ending="")
        reason = sys.stdin.readline().strip()
        if not reason:
            raise CommandError("a correction needs a reason: --reason, or a line on standard input", returncode=2)
        return reason


def _words(name: str, before: str, after: str) -> str:
    if name == "void_reason":
        return f"it counts as nothing from now on: {after}" if after else f"it counts again; it was void: {before}"
    return f"{name}: {before or 'not known'} -> {after or 'not known'}"


TRANSACTION = ("quantity", "price", "trade_date", "transaction_type", "product")
ORDER = ("filled_quantity", "average_fill_price", "status")


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ArgumentTypeError(f"{text!r} is not a number; write it as 1250.50")
    return number
