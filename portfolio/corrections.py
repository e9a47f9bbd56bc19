"""What a person sets right in the book: a transaction that is revised or void, an order that filled otherwise.

Nothing is edited: a correction is a new revision or version, in a batch of its own that says who made it and why.
A fill that a person corrected is not changed back by what its broker lists. Reads no file and asks no broker.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Max, QuerySet

from ledger import canonical, diff
from ledger.absence import DAY_PRODUCTS
from ledger.diff import KnownOrder
from ledger.entries import BUY, EXECUTED, FINAL_STATES, OPEN, SELL, ZERO, Order
from ledger.errors import BadValue
from ledger.fills import BY_HAND, FIRST_DAY, FillMove
from ledger.normalise import MONEY_SCALE, PRICE_SCALE, QUANTITY_SCALE, at_scale, common_status
from ledger.reconcile import DELIVERY_PRODUCTS, is_delivery

from . import book, clock, snapshots
from .models import BrokerAccount, OrderVersion, Transaction
from .sync import late_fills
from .sync.amend import CORRECTION, Amendment, Deed, amending
from .sync.history import fill_revisions, known_orders
from .sync.late_fills import Placed

SCALES = {"quantity": QUANTITY_SCALE, "price": PRICE_SCALE}
VOID = "a person says that it was none"


class BadCorrection(Exception):
    """What cannot be corrected so, with what to do; nothing was written."""


class Corrected(NamedTuple):
    """One row before and after: the columns that are another's now, as text."""

    subject: str
    before: dict[str, str]
    after: dict[str, str]


@dataclass(frozen=True, slots=True)
class Author:
    """Who corrects, and why. Both are encrypted under the account's evidence key."""

    who: str
    why: str


def revise(account: BrokerAccount, name: str, changes: Mapping[str, Any], author: Author) -> Corrected:
    """A new revision of a transaction (its source id, or the id of any of its revisions) with other figures:
    quantity, price, trade_date, transaction_type, product. What was void counts again."""
    fit = _fitted(changes)
    with _correcting(account, f"transaction revised: {', '.join(sorted(fit))}", author) as amendment:
        last = _last_revision(account, name)
        after = {**_columns(last), **fit, "void_reason": ""}
        return _write_revision(amendment, last, after)


def void(account: BrokerAccount, name: str, author: Author) -> Corrected:
    """A revision after which the transaction counts as nothing."""
    with _correcting(account, "transaction void", author) as amendment:
        last = _last_revision(account, name)
        if last.void_reason:
            raise BadCorrection(f"{last.source_id} is void already: {last.void_reason}")
        return _write_revision(amendment, last, {**_columns(last), "void_reason": VOID})


def _correcting(account: BrokerAccount, subject: str, author: Author) -> AbstractContextManager[Amendment]:
    return amending(account, CORRECTION, Deed(subject, author.who, author.why))


def _fitted(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The new figures at their columns' scale."""
    if not changes:
        raise BadCorrection("nothing was given to correct")
    fit = dict(changes)
    for name in SCALES.keys() & fit.keys():
        try:
            fit[name] = at_scale(fit[name], SCALES[name])
        except BadValue as error:
            raise BadCorrection(f"{name} {fit[name]}: {error}") from None
        if fit[name] < ZERO or (name == "quantity" and not fit[name]):
            raise BadCorrection(f"{name} {_text(fit[name])}: it must be above 0; to make it count as nothing, void it")
    if fit.get("transaction_type") not in (None, BUY, SELL):
        raise BadCorrection(f"{fit['transaction_type']}: a side is {BUY} or {SELL}")
    day = fit.get("trade_date", FIRST_DAY)
    if day < FIRST_DAY or day > clock.today():
        raise BadCorrection(f"{day} is {'yet to come' if day > FIRST_DAY else 'before there was such trading'}")
    if fit.get("product", NRML) not in _PRODUCTS:
        raise BadCorrection(f"{fit['product']}: no product is called so; it is one of {', '.join(sorted(_PRODUCTS))}")
    return fit


def _last_revision(account: BrokerAccount, name: str) -> Transaction:
    mine = Transaction.objects.filter(broker_account=account)
    try:
        named = mine.filter(pk=UUID(name)).values_list("source_id", flat=True).first() or name
    except ValueError:
        named = name
    last = mine.filter(source_id=named).order_by("-revision").first()
    if last is None:
        raise BadCorrection(f"no transaction of this account is called {name}; the admin shows their ids")
    return last


def _columns(row: Transaction) -> dict[str, Any]:
    """The columns of its schema, between the account and when it was detected."""
    attributes = {field.column: field.attname for field in row._meta.concrete_fields}
    return {column: getattr(row, attributes[column]) for column in canonical.TRANSACTION.columns[2:-2]}


def _write_revision(amendment: Amendment, last: Transaction, after: dict[str, Any]) -> Corrected:
    before = _columns(last)
    after |= {"source": BY_HAND, "revision": last.revision + 1, "supersedes_id": last.pk}
    if after["trade_date"] != last.trade_date:
        after["executed_at"] = None  # at what time of that day is not known
    try:
        after["amount"] = at_scale(after["quantity"] * after["price"], MONEY_SCALE)
    except BadValue as error:
        raise BadCorrection(f"the amount is too large: {error}") from None
    after["is_delivery"] = is_delivery(after["segment"], after["product"])
    changed = [name for name in before if before[name] != after[name] and name not in _ALWAYS_OTHER]
    if not changed:
        raise BadCorrection(f"{last.source_id} is so already, in its revision {last.revision}")
    before_it = snapshots.told(amendment.account, (last.trade_date, after["trade_date"]))
    amendment.pen.write(canonical.TRANSACTION, *(_plain(value) for value in after.values()))
    late_fills.bridge(amendment, [_placed(last, after)])
    amendment.flush()
    try:
        snapshots.revise(amendment, before_it)
    except BadValue as error:
        raise BadCorrection(f"the day's totals would be too large: {error}") from None
    amendment.forget_sections()
    amendment.tell("transaction.corrected", subjects=[last.source_id])
    return _corrected(f"{last.source_id}, revision {last.revision + 1}", before, after, changed)


def _placed(last: Transaction, after: Mapping[str, Any]) -> Placed:
    """The revision as a move of a fill, with its instrument."""
    (before,) = (fill for _, fill in fill_revisions(Transaction.objects.filter(pk=last.pk)))
    trade = before.trade._replace(**{name: after[name] for name in _OF_A_FILL})
    return FillMove(last.source_id, before, trade, after["void_reason"]), before.instrument


_OF_A_FILL = ("quantity", "price", "trade_date", "transaction_type", "product", "executed_at")
NRML = "NRML"  # derivatives, carried from day to day
_PRODUCTS = DELIVERY_PRODUCTS | DAY_PRODUCTS | {NRML}
_ALWAYS_OTHER = {"source", "revision", "supersedes_id"}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _corrected(subject: str, before: Mapping[str, Any], after: Mapping[str, Any], names: list[str]) -> Corrected:
    return Corrected(subject, *({name: _text(side[name]) for name in names} for side in (before, after)))


def _text(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else "" if value is None else str(value)


def correct_order(
    account: BrokerAccount, order_id: str, day: date | None, changes: Mapping[str, Any], author: Author
) -> Corrected:
    """A new version of an order with another `filled_quantity`, `average_fill_price` or `status`, and what moved."""
    if not changes:
        raise BadCorrection("nothing was given to correct")
    with _correcting(account, f"order corrected: {', '.join(sorted(changes))}", author) as amendment:
        known = _current(account, order_id, day)
        after = _changed(known.order, changes)
        moved = diff.order_changes(known.order, after)
        if after == known.order:
            raise BadCorrection(f"the order {order_id} is so already, in its version {known.version}")
        row_id = amendment.pen.order(
            _instrument(account, known), known.order_date, _next_version(account, known), after
        )
        for change in moved:
            amendment.pen.order_change(row_id, after, change._replace(change_reason=BY_HAND))
        amendment.counts["quantity_changes_detected"] = len(moved)
        amendment.forget_sections()
        amendment.tell("orders.changed", subjects=[order_id])
    pairs = known.order._asdict(), after._asdict()
    changed = [name for name in Order._fields if pairs[0][name] != pairs[1][name]]
    return _corrected(f"{order_id} of {known.order_date}", *pairs, changed)


def _current(account: BrokerAccount, order_id: str, day: date | None) -> KnownOrder:
    """The current version; of an id that was used on several days the day must be given."""
    found = book.orders([account.pk]).filter(groww_order_id=order_id)
    versions = [one for _, one in known_orders(found.filter(order_date=day) if day else found)]
    if not versions:
        raise BadCorrection(f"no order of this account is called {order_id}" + (f" on {day}" if day else ""))
    if len(versions) > 1:
        days = ", ".join(str(one.order_date) for one in versions)
        raise BadCorrection(f"{order_id} was used on {days}: say which with --day")
    return versions[0]


def _changed(order: Order, changes: Mapping[str, Any]) -> Order:
    try:
        figures: dict[str, Any] = {
            name: at_scale(changes[name], QUANTITY_SCALE) for name in ("filled_quantity",) if name in changes
        }
        if "average_fill_price" in changes:
            figures["average_fill_price"] = at_scale(changes["average_fill_price"], PRICE_SCALE)
    except BadValue as error:
        raise BadCorrection(str(error)) from None
    filled = figures.get("filled_quantity", order.filled_quantity)
    if not ZERO <= filled <= order.quantity:
        raise BadCorrection(f"{_text(filled)} cannot be filled of an order for {_text(order.quantity)}")
    status = changes.get("status") or _status(order, filled)
    left = at_scale(order.quantity - filled, QUANTITY_SCALE)
    return order._replace(**figures, remaining_quantity=left, status=status)


def _status(order: Order, filled: Decimal) -> str:
    """What was cancelled or refused stays so, however much was filled of it."""
    is_ended = order.status in FINAL_STATES and order.status != EXECUTED
    return order.status if is_ended else common_status(OPEN, order.quantity, filled)


def _next_version(account: BrokerAccount, known: KnownOrder) -> int:
    return 1 + int(_versions(account, known).aggregate(last=Max("version"))["last"])


def _instrument(account: BrokerAccount, known: KnownOrder) -> str:
    return str(_versions(account, known).filter(version=known.version).values_list("instrument", flat=True).get())


def _versions(account: BrokerAccount, known: KnownOrder) -> QuerySet[OrderVersion]:
    return OrderVersion.objects.filter(
        broker_account=account, groww_order_id=known.order.order_id, order_date=known.order_date
    )
