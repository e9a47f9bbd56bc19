"""Zerodha's words and codes in ours: exchanges, states of orders, small values. Pure."""

import re
from decimal import Decimal
from functools import lru_cache, partial

from ledger import entries, normalise
from ledger.entries import CASH, COMMODITY, CURRENCY, FNO, ZERO
from ledger.normalise import SHORT_LIMIT, name, price, quantity

# Kite's exchange is exchange and segment in one.
EXCHANGES = {
    "NSE": ("NSE", CASH),
    "BSE": ("BSE", CASH),
    "NFO": ("NSE", FNO),
    "BFO": ("BSE", FNO),
    "CDS": ("NSE", CURRENCY),
    "BCD": ("BSE", CURRENCY),
    "MCX": ("MCX", COMMODITY),
}
KITE_EXCHANGES = {pair: code for code, pair in EXCHANGES.items()}
STATUSES = {
    **dict.fromkeys(("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING"), entries.NEW),
    **dict.fromkeys(("AMO REQ RECEIVED", "MODIFY AMO REQ RECEIVED"), entries.NEW),
    **dict.fromkeys(("OPEN", "MODIFIED", "UPDATE"), entries.OPEN),
    **dict.fromkeys(("MODIFY VALIDATION PENDING", "MODIFY PENDING"), entries.MODIFY_PENDING),
    **dict.fromkeys(("CANCELLED", "CANCELLED AMO"), entries.CANCELLED),
    "TRIGGER PENDING": entries.TRIGGER_PENDING,
    "CANCEL PENDING": entries.CANCEL_PENDING,
    "COMPLETE": entries.EXECUTED,
    "REJECTED": entries.REJECTED,
}
NO_QUANTITY, NO_PRICE = quantity(ZERO), price(ZERO)
# The same few words, symbols and remarks come in every row of every account.
word = lru_cache(maxsize=8192)(name)
place = lru_cache(maxsize=64)(partial(name, limit=SHORT_LIMIT))  # an exchange, a segment
remark = lru_cache(maxsize=1024)(normalise.scrubbed)


def some(value: Decimal | None) -> Decimal:
    return quantity(value) if value else NO_QUANTITY


def exchange_and_segment(code: str) -> tuple[str, str]:
    """An exchange that nobody knew yet is its own segment, so that nothing of it counts as delivery."""
    return EXCHANGES.get(code) or (place(code), place(code))


@lru_cache(maxsize=1024)
def status(broker_word: str) -> str | None:
    return STATUSES.get(re.sub(r"[\s_-]+", " ", broker_word.strip().upper()))
