"""Zerodha's margins, and who the client is. Pure rendering of a broker-neutral investor; rupees."""

from decimal import Decimal
from typing import Any

from .investor import Investor
from .zerodha_forms import user_id_of

Row = dict[str, Any]
EXCHANGES = {"CASH": ("NSE", "BSE", "MF"), "FNO": ("NFO", "BFO")}
USAGE = (
    "exposure", "m2m_realised", "m2m_unrealised", "option_premium", "payout", "span", "turnover", "liquid_collateral",
    "stock_collateral", "delivery",
)  # fmt: skip


def margins(investor: Investor, cash_as: str) -> Row:
    """Whether cash moves with the day's trades is not known: `opening` (the trades are under debits), `live`, or
    `zero`, as it wrongly is now and then."""
    traded = _paid_for_trades(investor)
    blocked = _blocked(investor)
    cash = investor.cash if cash_as == "live" else investor.cash + traded
    debits = blocked if cash_as == "live" else blocked + traded
    equity = _segment(cash, cash - debits, debits)
    equity["utilised"] |= {"span": float(blocked), "holding_sales": float(_sold(investor))}
    if cash_as == "zero":
        equity["available"]["cash"] = 0
    return {"equity": equity, "commodity": _segment(Decimal(0), Decimal(0), Decimal(0)) | {"enabled": False}}


def _segment(cash: Decimal, net: Decimal, debits: Decimal) -> Row:
    return {
        "enabled": True,
        "net": float(net),
        "available": {
            "adhoc_margin": 0,
            "cash": float(cash),
            "opening_balance": float(cash),
            "live_balance": float(net),
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": dict.fromkeys(USAGE, 0) | {"debits": float(debits), "holding_sales": 0},
    }


def _paid_for_trades(investor: Investor) -> Decimal:
    """What the running day's trades have cost, less what they brought in."""
    today = [entry for entry in investor.truth.cash if entry.at.date() == investor.now.date()]
    return -sum((entry.amount for entry in today if entry.kind in ("buy", "sell")), Decimal(0))


def _sold(investor: Investor) -> Decimal:
    today = [entry for entry in investor.truth.cash if entry.at.date() == investor.now.date()]
    return sum((entry.amount for entry in today if entry.kind == "sell"), Decimal(0))


def _blocked(investor: Investor) -> Decimal:
    """A tenth of the value of open derivatives."""
    derivatives = [each for each in investor.positions.values() if each.instrument.segment != "CASH"]
    return round(sum((abs(each.net) * each.net_price for each in derivatives), Decimal(0)) / 10, 2)


def profile(investor: Investor) -> Row:
    user_id = user_id_of(investor.ucc)
    return {
        "user_id": user_id,
        "user_type": "individual",
        "email": f"{user_id.lower()}@example.com",
        "user_name": f"Investor {user_id}",
        "user_shortname": "Investor",
        "broker": "ZERODHA",
        "exchanges": [code for segment in investor.segments for code in EXCHANGES[segment]],
        "products": ["CNC", "NRML", "MIS", "BO", "CO"],
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "avatar_url": None,
        "meta": {"demat_consent": "consent"},
    }
