"""Groww's instrument file: which lines count, and what a symbol means that several of them have."""

import pytest

from ledger.entries import CASH, Instrument, Listing, SetAside
from portfolio.triggers.base import UnexpectedReply
from portfolio.triggers.groww_instruments import parse_instruments

from .broker import a_reply

HEADER = b"exchange,exchange_token,trading_symbol,name,segment,series,isin,lot_size\n"


def named(isin: str, symbol: str, exchange: str = "NSE", full_name: str = "") -> Instrument:
    return Instrument(Listing(isin, symbol, exchange, CASH), full_name)


def test_instruments_are_the_shares_with_an_isin() -> None:
    body = HEADER + (
        b"NSE,2885,RELIANCE,Reliance Industries,CASH,EQ,INE002A01018,1\n"
        b"BSE,500325,RELIANCE,Reliance Industries,CASH,A,INE002A01018,1\n"
        b"NSE,35001,NIFTY26OCT24100PE,,FNO,,,75\n"
        b"NSE,26000,NIFTY,Nifty 50,CASH,,,1\n"
    )
    assert parse_instruments([a_reply(body)]) == (
        [
            named("INE002A01018", "RELIANCE", "NSE", "Reliance Industries"),
            named("INE002A01018", "RELIANCE", "BSE", "Reliance Industries"),
        ],
        [],
    )


def test_an_instrument_file_without_full_names_and_series_is_read_too() -> None:
    body = b"isin,segment,exchange,trading_symbol\nINE002A01018,CASH,NSE,RELIANCE\n"
    assert parse_instruments([a_reply(body)]) == ([named("INE002A01018", "RELIANCE")], [])


def test_a_symbol_of_several_series_means_the_plain_one_or_nothing() -> None:
    body = HEADER + (
        b"NSE,1,IRFC,,CASH,N1,INE053F07AA1,1\n"
        b"NSE,2,IRFC,,CASH,N2,INE053F07AB9,1\n"
        b"NSE,3,IRFC,,CASH,EQ,INE053F01010,1\n"
        b"NSE,4,IRFC,,CASH,N3,INE053F07AC7,1\n"
        b"NSE,5,NHAI,,CASH,N1,INE906B07AA7,1\n"
        b"NSE,6,NHAI,,CASH,N2,INE906B07AB5,1\n"
        b"NSE,7,TCS,,CASH,EQ,INE467B01029,1\n"
        b"NSE,7,TCS,,CASH,BL,INE467B01029,1\n"
    )
    assert parse_instruments([a_reply(body)]) == (
        [named("INE053F01010", "IRFC"), named("INE467B01029", "TCS")],
        [SetAside("instruments", "NHAI", "means several instruments")],
    )


def test_a_line_of_the_instrument_file_that_cannot_be_right_is_set_aside() -> None:
    body = HEADER + b"NSE,1,TCS,,CASH,EQ,INE467,1\nNSE,2,,,CASH,EQ,INE002A01018,1\nNSE,3\n"
    rows, aside = parse_instruments([a_reply(body)])
    assert (rows, [(row.subject, row.reason) for row in aside]) == (
        [], [("TCS", "not an ISIN: 'INE467'"), ("", "a name that must be there is empty")],
    )  # fmt: skip


def test_a_web_page_in_place_of_the_instrument_file_is_refused() -> None:
    with pytest.raises(UnexpectedReply, match="has no columns"):
        parse_instruments([a_reply(b"Service unavailable\n")])
