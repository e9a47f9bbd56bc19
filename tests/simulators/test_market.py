"""The simulated market: its days, its prices, its symbols."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from simulators.market import (
    IST,
    TICK,
    CorporateAction,
    Market,
    is_trading_day,
    settlement_day,
    settlement_number,
    trading_days,
)

CLOSE = datetime(2026, 10, 5, 15, 30, tzinfo=IST)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


def test_2026_has_246_sessions_with_the_budget_sunday() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    sessions = [day for day in days if is_trading_day(day)]
    assert len(sessions) == 261 - 16 + 1
    assert date(2026, 2, 1) in sessions
    assert date(2026, 10, 20) not in sessions


def test_a_trade_settles_on_the_next_settlement_day() -> None:
    assert settlement_day(date(2026, 10, 5)) == date(2026, 10, 6)
    assert settlement_day(date(2026, 10, 9)) == date(2026, 10, 12)
    assert settlement_day(date(2026, 10, 19)) == date(2026, 10, 21)


def test_trades_around_the_budget_sunday_settle_together_on_monday() -> None:
    assert settlement_day(date(2026, 1, 30)) == settlement_day(date(2026, 2, 1)) == date(2026, 2, 2)


def test_a_settlement_number_is_the_year_and_the_count_of_its_trading_days() -> None:
    assert settlement_number(date(2026, 1, 1)) == "2026001"
    assert settlement_number(date(2026, 10, 6)) == str(int(settlement_number(date(2026, 10, 5))) + 1)


def test_the_same_seed_gives_the_same_prices_in_whatever_order_they_are_asked() -> None:
    one, other = Market(7), Market(7)
    symbols = ["RELIANCE", "TCS", "NIFTY26NOV25000CE"]
    found = {symbol: one.price(symbol, CLOSE) for symbol in symbols}
    assert {symbol: other.price(symbol, CLOSE) for symbol in reversed(symbols)} == found
    assert Market(8).price("RELIANCE", CLOSE) != found["RELIANCE"]


@pytest.mark.parametrize("symbol", ["RELIANCE", "YESBANK", "MRF", "RELIANCE26NOVFUT", "NIFTY26NOV25000PE"])
def test_every_price_stands_on_the_tick_and_inside_the_range_of_its_day(symbol: str) -> None:
    market = Market()
    for day in trading_days(date(2026, 10, 5), 10):
        for minute in range(0, 400, 13):
            when = datetime.combine(day, datetime.min.time(), IST) + timedelta(hours=9, minutes=15 + minute)
            price, candle = market.price(symbol, when), market.candle(symbol, when)
            assert price > 0 and price % TICK == 0
            assert candle.low <= price <= candle.high


def test_the_close_stands_from_half_past_three_until_the_next_open() -> None:
    market = Market()
    close = market.close("TCS", date(2026, 10, 9))
    for when in ("2026-10-09 15:30", "2026-10-09 23:59", "2026-10-11 12:00", "2026-10-12 09:14"):
        assert market.price("TCS", at(when)) == close
    assert market.price("TCS", at("2026-10-12 11:00")) != close


def test_the_first_price_of_a_day_is_its_open() -> None:
    market = Market()
    opening = market.price("TCS", at("2026-10-12 09:15"))
    assert opening == market.candle("TCS", at("2026-10-12 12:00")).open
    assert opening != market.close("TCS", date(2026, 10, 9))


def test_no_price_moves_more_than_a_few_percent_in_a_day() -> None:
    market = Market()
    days = trading_days(date(2026, 9, 1), 60)
    closes = [market.close("INFY", day) for day in days]
    assert max(abs(after / before - 1) for before, after in pairwise(closes)) < Decimal("0.04")


def test_a_split_divides_the_price_and_gives_the_new_isin_from_its_day_on() -> None:
    plain, split = Market(), Market()
    ex_day = date(2026, 10, 7)
    split.announce(CorporateAction("split", "MARUTI", ex_day, old=1, new=5, new_isin="INE585B01028"))
    assert split.close("MARUTI", date(2026, 10, 6)) == plain.close("MARUTI", date(2026, 10, 6))
    ratio = plain.close("MARUTI", ex_day) / split.close("MARUTI", ex_day)
    assert abs(ratio - 5) < Decimal("0.01")
    assert split.instrument("MARUTI", date(2026, 10, 6)).isin == "INE585B01010"
    assert split.instrument("MARUTI", ex_day).isin == "INE585B01028"


def test_every_isin_has_its_right_check_digit_and_no_two_shares_have_the_same() -> None:
    shares = Market().shares(date(2026, 10, 5))
    assert len({share.isin for share in shares}) == len(shares) == 70
    assert [share.symbol for share in shares if not is_isin(share.isin)] == []
    assert len({share.token for share in shares}) == len({share.bse_code for share in shares}) == 70


def is_isin(text: str) -> bool:
    """The check digit of ISO 6166: letters as two digits, every second digit doubled from the right."""
    digits = "".join(str(int(character, 36)) for character in text)
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return len(text) == 12 and sum(number // 10 + number % 10 for number in doubled) % 10 == 0
