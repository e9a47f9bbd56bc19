"""What a broker said, as values that cannot change.

Quantities are units, prices INR (or `currency`) per unit, money INR (or `currency`): always `Decimal`,
never float, already at the scale of `ledger.normalise`. Instants are aware and in UTC; a trading day
is a date in India. None means that the broker did not say. Named tuples, because a day of ten
thousand accounts builds and compares a million of them.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)

DELIVERY, MTF = "DELIVERY", "MTF"  # the lots of a holding
CASH, FNO, COMMODITY, CURRENCY = "CASH", "FNO", "COMMODITY", "CURRENCY"  # the segments
BUY, SELL = "BUY", "SELL"

# The common states of an order (the broker's own word is kept beside it, as `status_raw`).
NEW, ACKED, TRIGGER_PENDING, OPEN = "NEW", "ACKED", "TRIGGER_PENDING", "OPEN"
PARTIALLY_FILLED, MODIFY_PENDING, CANCEL_PENDING = "PARTIALLY_FILLED", "MODIFY_PENDING", "CANCEL_PENDING"
EXECUTED, CANCELLED, REJECTED, EXPIRED, UNKNOWN = "EXECUTED", "CANCELLED", "REJECTED", "EXPIRED", "UNKNOWN"
FINAL_STATES = frozenset({EXECUTED, CANCELLED, REJECTED, EXPIRED})


class Listing(NamedTuple):
    """An instrument as an exchange or a broker names it; `isin` is None where it is not given."""

    isin: str | None
    symbol: str
    exchange: str = "NSE"
    segment: str = CASH


class Instrument(NamedTuple):
    """One line of a broker's instrument file: a listing, and what it is called in full."""

    listing: Listing
    full_name: str = ""


class Holding(NamedTuple):
    """One instrument in demat, in all its parts. `owned` is `quantity` read as this broker means it."""

    isin: str | None
    symbol: str
    exchange: str
    quantity: Decimal  # as the broker reports it
    owned: Decimal  # settled, T+1, pledged and locked parts together
    average_price: Decimal | None  # None: unknown, never 0
    free_quantity: Decimal = ZERO
    t1_quantity: Decimal = ZERO
    pledge_quantity: Decimal = ZERO
    repledge_quantity: Decimal = ZERO
    demat_locked_quantity: Decimal = ZERO
    groww_locked_quantity: Decimal = ZERO
    lot: str = DELIVERY
    last_price: Decimal | None = None
    doubt: str = ""  # why `owned` may be read wrong; shown beside the row


class Position(NamedTuple):
    """One open position of today. `quantity` is signed and is the broker's own net figure."""

    isin: str | None
    symbol: str
    exchange: str
    segment: str
    product: str
    quantity: Decimal
    credit_quantity: Decimal = ZERO  # bought today
    credit_price: Decimal = ZERO
    debit_quantity: Decimal = ZERO  # sold today
    debit_price: Decimal = ZERO
    carry_forward_credit_quantity: Decimal = ZERO
    carry_forward_credit_price: Decimal = ZERO
    carry_forward_debit_quantity: Decimal = ZERO
    carry_forward_debit_price: Decimal = ZERO
    average_price: Decimal | None = None  # of the net quantity
    realised_pnl: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    last_price: Decimal | None = None


class Order(NamedTuple):
    """One instruction in its present state."""

    order_id: str
    order_reference_id: str
    isin: str | None
    symbol: str
    exchange: str
    segment: str
    product: str
    order_type: str
    transaction_type: str
    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    validity: str
    status: str
    status_raw: str
    filled_quantity: Decimal
    remaining_quantity: Decimal
    average_fill_price: Decimal | None
    deliverable_quantity: Decimal | None
    amo_status: str
    created_at: datetime | None
    exchange_time: datetime | None
    trade_date: datetime | None
    remark: str
    changed_at: datetime | None = None  # when it came into this state, where the broker says it


class Trade(NamedTuple):
    """One fill. `trade_id` is the exchange's; empty when the broker gave none. A file may not say the exchange: "".

    `is_synthesised`: made up from its order, whose whole filled quantity and average price it has, since the broker
    would not list the fills; how much of it no listed fill covers is worked out against the book.
    """

    trade_id: str
    order_id: str
    isin: str | None
    symbol: str
    exchange: str
    segment: str
    product: str
    transaction_type: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime | None
    trade_date: date
    settlement_number: str = ""
    is_synthesised: bool = False


class Funds(NamedTuple):
    """Cash and margin of the account, in `currency`. None: the broker does not give it."""

    cash_balance: Decimal | None
    margin_used: Decimal | None = None
    margin_available: Decimal | None = None
    collateral: Decimal | None = None
    currency: str = "INR"
    is_derived: bool = False  # the cash was worked out from the rest, since the broker's own figure cannot be right


class Price(NamedTuple):
    """The last traded price of one listing, per unit."""

    symbol: str
    exchange: str
    segment: str
    price: Decimal


class SetAside(NamedTuple):
    """A row that cannot be right. It is kept in the raw reply and named in the batch, and not believed."""

    section: str
    subject: str  # the symbol or order id, where it could be read
    reason: str
