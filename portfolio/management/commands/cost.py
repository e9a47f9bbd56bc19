"""manage.py cost: what the shares of an account cost and since when they are owned."""

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand

from ...cost import Cost, costs
from ...models import BrokerAccount
from ...values import as_json
from ..arguments import a_day, accounts_named, add_accounts, refusing


class Command(BaseCommand):
    help = (
        "What each share cost, lot by lot, first in, first out. What came before the account was first seen "
        "stands at the broker's average, without a day, until a statement of those fills is imported. Exit code 0; 2: "
        "bad input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_accounts(parser)
        parser.add_argument("--as-of", type=a_day, metavar="DAY", help="at the end of this day (default: now)")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        with refusing():
            accounts = accounts_named(options["account"])
        found = {account: costs(account, options["as_of"]) for account in accounts}
        if options["json"]:
            self.stdout.write(as_json({str(account.pk): _values(each) for account, each in found.items()}))
            return
        for account, each in found.items():
            self._tell(account, each)

    def _tell(self, account: BrokerAccount, found: list[Cost]) -> None:
        self.stdout.write(f"{account}\n")
        for cost in found:
            lot = "" if cost.lot == "DELIVERY" else f" ({cost.lot})"
            self.stdout.write(
                f"  {cost.symbol + lot:24} {_units(cost.quantity):>10} at {_rupees(cost.cost):>12} = "
                f"{_rupees(cost.total):>15}\n"
            )
            for one in cost.lots:
                since = one.since.isoformat() if one.since else "before"
                self.stdout.write(f"    {since:22} {_units(one.quantity):>10} at {_rupees(one.cost):>12}\n")
        if not found:
            self.stdout.write("  nothing is owned\n")


def _values(found: list[Cost]) -> list[dict[str, Any]]:
    return [{**cost._asdict(), "lots": [lot._asdict() for lot in cost.lots]} for cost in found]


def _units(quantity: Decimal) -> str:
    return f"{quantity.normalize():,f}"


def _rupees(amount: Decimal | None) -> str:
    return "not known" if amount is None else f"{amount:,.2f}"
