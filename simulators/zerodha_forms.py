"""Zerodha's ids and the forms of its numbers, times and codes. Pure."""

import hashlib
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from . import orders as words
from .orders import Order
from .shares import Instrument

PRODUCTS = {words.DELIVERY: "CNC", words.INTRADAY: "MIS", words.CARRY: "NRML"}
DERIVATIVES = {"NSE": "NFO", "BSE": "BFO"}
TOKEN_SEGMENTS = {"NSE": 1, "NFO": 2, "BSE": 4, "BFO": 5}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SNOWFLAKE_EPOCH_MS = 1_288_834_974_657


def user_id_of(ucc: str) -> str:
    """The client id at Zerodha: two letters and four digits, one for each number."""
    if len(ucc) == 6 and ucc[:2].isalpha() and ucc[2:].isdigit():
        return ucc
    number = int(ucc) if ucc.isdigit() else int.from_bytes(hashlib.sha256(ucc.encode()).digest()[:4])
    first, second = divmod(number // 10_000 % 676, 26)
    return f"{LETTERS[first]}{LETTERS[second]}{number % 10_000:04d}"


@lru_cache(100_000)
def digits(seed: str, count: int) -> str:
    return str(int(hashlib.sha256(seed.encode()).hexdigest(), 16))[:count]


def order_id_of(ucc: str, order: Order, length: int) -> str:
    """19 digits since August 2025; before, 15 that begin with the day."""
    if length == 15:
        return f"{order.created_at:%y%m%d}{digits(f'{ucc} {order.number}', 9)}"
    since_epoch_ms = int(order.created_at.timestamp() * 1000) - SNOWFLAKE_EPOCH_MS
    return str((since_epoch_ms << 22) + int(digits(f"{ucc} {order.number}", 6)))


def kite_exchange(instrument: Instrument, exchange: str) -> str:
    return exchange if instrument.segment == "CASH" else DERIVATIVES[exchange]


def instrument_token(instrument: Instrument, exchange: str) -> int:
    code = kite_exchange(instrument, exchange)
    own = int(instrument.bse_code) if code == "BSE" else instrument.token
    return own * 256 + TOKEN_SEGMENTS[code]


def number(value: Decimal | int) -> int | float:
    """Whole ones as integers, though floats are declared."""
    whole = int(value)
    return whole if whole == value else float(round(Decimal(value), 6))


def moment(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else None
