"""manage.py import_statement: the past is filled in once, from whichever files, and bad files change nothing."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from ledger.canonical import BOOK
from ledger.entries import Instrument as Line
from ledger.entries import Listing as Named
from portfolio.corrections import Author, revise, void
from portfolio.dropping import drop
from portfolio.models import Act, BrokerAccount, Event, LedgerPage, RawReply, SyncBatch, Transaction
from portfolio.replies import referred_to
from portfolio.sync import master
from portfolio.sync.amend import Deed
from portfolio.sync.capture import DAILY
from portfolio.sync.evidence import read_body
from portfolio.sync.pipeline import sync
from portfolio.sync.questions import open_questions
from portfolio.triggers.base import BrokerUnavailable
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_bridge import evening, explained, left_open, order

pytestmark = pytest.mark.database

At = Callable[[str], None]
ZERODHA = (
    "symbol,isin,trade_date,exchange,segment,series,trade_type,auction,quantity,price,trade_id,order_id,"
    "order_execution_time,expiry_date"
)
OURS = "trade_date,side,quantity,price,symbol,isin"


def row(day: str, side: str, units: int, price: str = "3000", number: str = "", symbol: str = "TCS") -> str:
    """A line of Zerodha's tradebook."""
    number = number or f"{day}{side}{units}"
    isin = build.ISINS[symbol]
    return (
        f"{symbol},{isin},{day},NSE,EQ,EQ,{side},false,{units}.000000,{price}.000000,{number},O{number},{day}T10:00:00,"
    )


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """A file of these lines."""

    def written(*lines: str, name: str = "tradebook.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return written


def imported(path: Path, account: BrokerAccount, *words: str, code: int = 0) -> str:
    out, err = StringIO(), StringIO()
    try:
        call_command("import_statement", str(path), "--account", str(account.pk), *words, stdout=out, stderr=err)
    except SystemExit as ended:
        assert ended.code == code
    except CommandError as error:
        assert error.returncode == code, error
        return str(error)
    else:
        assert code == 0
    return out.getvalue() + err.getvalue()


def fills(account: BrokerAccount) -> list[tuple[str, str, int, str]]:
    rows = Transaction.objects.current().filter(broker_account=account).order_by("trade_date", "symbol", "quantity")
    return [(str(r.trade_date), r.transaction_type, int(r.quantity), r.source) for r in rows]


def everything() -> list[int]:
    """How many rows there are of all that an import may write."""
    return [recomputed.model_of(schema).objects.count() for schema in BOOK.values()] + [
        model._default_manager.count() for model in (SyncBatch, LedgerPage, Event)
    ]


@pytest.fixture
def account() -> BrokerAccount:
    return build.an_account("ZERODHA", "AB1234")


LINES = [ZERODHA, row("2026-04-06", "buy", 10), row("2026-04-06", "buy", 5), row("2026-06-01", "sell", 3)]
FILLS = [("2026-04-06", "BUY", 5, "IMPORT"), ("2026-04-06", "BUY", 10, "IMPORT"), ("2026-06-01", "SELL", 3, "IMPORT")]


def test_a_file_is_shown_first_and_written_when_it_is_accepted(account: BrokerAccount, file: Any) -> None:
    before = everything()
    told = imported(file(*LINES), account, code=1)
    assert told.splitlines() == [
        f"Zerodha Console's tradebook for {account}: 3 fills, 2026-04-06 to 2026-06-01",
        "  new: 3; in the book already: 0",
        "nothing is written yet; run it again with --accept",
    ]
    assert everything() == before
    assert "new, written: 3" in imported(file(*LINES), account, "--accept", "--by", "Asha")
    assert fills(account) == FILLS
    batch = SyncBatch.objects.get(sync_type="IMPORT")
    assert (batch.status, batch.page.entries_count, Act.objects.get().subject) == (
        "COMPLETED", 5, "zerodha-tradebook, 3 fills, 2026-04-06 to 2026-06-01",
    )  # fmt: skip
    recomputed.check_all_pages()


def test_the_file_itself_is_kept_encrypted(account: BrokerAccount, file: Any) -> None:
    path = file(*LINES)
    imported(path, account, "--accept")
    reply = RawReply.objects.get()
    assert (reply.request, read_body(reply)) == ("IMPORT zerodha-tradebook", path.read_bytes())
    assert referred_to(SyncBatch.objects.filter(sync_type="IMPORT")) == {bytes(reply.body_digest)}


def test_a_file_that_was_dropped_is_kept_again_when_it_adds_something(
    account: BrokerAccount, file: Any, at: At
) -> None:
    """Of its last day it did so on the next."""
    path = file(*LINES, row("2026-10-05", "buy", 1))
    imported(path, account, "--accept")
    drop(account, date(2026, 10, 6), Deed("bodies of replies dropped", "Asha", "no room"))
    at("2026-10-06 12:00")

    assert "new, written: 1; in the book already: 3" in imported(path, account, "--accept")

    assert read_body(RawReply.objects.latest("pk")) == path.read_bytes()
    assert RawReply.objects.count() == 2
    recomputed.check_all_pages()


def test_the_same_file_twice_writes_nothing(account: BrokerAccount, file: Any) -> None:
    imported(file(*LINES), account, "--accept")
    before = everything()
    assert "new, written: 0; in the book already: 3" in imported(file(*LINES), account, "--accept")
    assert everything() == before


def test_files_that_overlap_add_what_is_new_alone(account: BrokerAccount, file: Any) -> None:
    imported(file(*LINES[:3]), account, "--accept")
    told = imported(file(ZERODHA, LINES[2], *LINES[3:], row("2026-07-01", "buy", 1)), account, "--accept")
    assert "new, written: 2; in the book already: 1" in told
    assert fills(account) == [*FILLS, ("2026-07-01", "BUY", 1, "IMPORT")]


def test_two_real_equal_fills_without_numbers_stay_two_however_often_they_are_told(
    account: BrokerAccount, file: Any
) -> None:
    line = f"2026-04-06,BUY,5,3000,TCS,{build.ISINS['TCS']}"
    imported(file(OURS, line), account, "--accept")
    for _ in range(2):
        imported(file(OURS, line, line), account, "--accept")
    assert fills(account) == [("2026-04-06", "BUY", 5, "IMPORT")] * 2


def test_a_name_of_long_ago_says_nothing_of_what_it_means_today(account: BrokerAccount, file: Any) -> None:
    line = row("2026-04-06", "buy", 10).replace("TCS,", "WIPRO,", 1)
    imported(file(ZERODHA, line), account, "--accept")
    instrument = Transaction.objects.get().instrument
    assert (instrument.isin, instrument.listings.count()) == (build.ISINS["TCS"], 0)


def shares(account: BrokerAccount) -> list[tuple[str, str | None]]:
    """The day and the share of each fill."""
    found = Transaction.objects.current().filter(broker_account=account).order_by("trade_date")
    return [(str(row.trade_date), row.instrument.isin) for row in found.select_related("instrument")]


NEW_SHARE = "INE467B01037"


@pytest.mark.parametrize("exchange", ["NSE", "BSE"])
def test_a_symbol_alone_is_the_share_that_was_called_so_on_the_day_of_the_fill(
    account: BrokerAccount, at: At, file: Any, exchange: str
) -> None:
    master.take("ANY", [Line(Named(build.ISINS["TCS"], "TCS"))])
    at("2026-10-08 10:00")
    master.take("ANY", [Line(Named(build.ISINS["TCS"], "TATACS")), Line(Named(NEW_SHARE, "TCS"))])
    at("2026-10-09 10:00")
    lines = [f"{day},BUY,1,10,TCS,{exchange}" for day in ("2019-07-01", "2026-10-07", "2026-10-08")]
    path = file("trade_date,side,quantity,price,symbol,exchange", *lines)
    assert "new, written: 3" in imported(path, account, "--accept")
    old = build.ISINS["TCS"]
    assert shares(account) == [("2019-07-01", old), ("2026-10-07", old), ("2026-10-08", NEW_SHARE)]
    assert "new, written: 0; in the book already: 3" in imported(path, account, "--accept")


def test_a_former_symbol_alone_is_the_share_that_the_book_has_under_it(account: BrokerAccount, file: Any) -> None:
    master.take("ANY", [Line(Named(build.ISINS["TCS"], "TCS"))])
    old = file(OURS, f"2019-07-01,BUY,5,100,OLDTCS,{build.ISINS['TCS']}", "2019-07-01,BUY,5,100,OLDINFY,INE009A01021")
    imported(old, account, "--accept")
    path = file(OURS, "2019-07-02,BUY,1,10,OLDTCS,", "2019-07-03,BUY,1,10,OLDINFY,")
    assert "no share is known by" not in imported(path, account, "--accept")
    assert shares(account)[2:] == [("2019-07-02", build.ISINS["TCS"]), ("2019-07-03", "INE009A01021")]


def test_a_symbol_that_nobody_knows_is_told(account: BrokerAccount, file: Any) -> None:
    imported(file(f"{OURS},trade_id", "2019-07-01,BUY,5,100,OLDTCS,,T1"), account, "--accept")
    new, future = "2019-07-02,BUY,1,10,OLDITC,,,CASH", "2019-07-02,BUY,1,10,ITC19JULFUT,,,FNO"
    path = file(f"{OURS},trade_id,segment", "2019-07-01,BUY,5,100,OLDTCS,,T1,CASH", new, future)
    for words in ([], ["--accept"]):
        told = imported(path, account, *words, code=0 if words else 1).splitlines()
        assert told[2] == "  no share is known by these symbols, which are kept as they are: OLDITC"
    assert shares(account) == [("2019-07-01", None), ("2019-07-02", None), ("2019-07-02", None)]


def held(broker: Broker, at: At) -> BrokerAccount:
    """100 TCS on Monday, 5 October."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding(quantity=100)]
    build.synced(account)
    return account


def test_fills_that_the_broker_told_are_not_written_again(broker: Broker, at: At, file: Any) -> None:
    account = held(broker, at)
    bought = order("B", 6, "BUY", 10, isin=build.ISINS["TCS"])
    evening(broker, at, 6, {"TCS": 100}, bought)
    build.synced(account)
    at("2026-10-09 10:00")
    numbered = f"{OURS},trade_id,order_id", f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']},TB,B"
    without = OURS, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}"
    for lines in (numbered, without):
        assert "new, written: 0; in the book already: 1" in imported(file(*lines), account, "--accept")
    assert fills(account) == [("2026-10-06", "BUY", 10, "API")]


def test_an_order_as_a_whole_is_the_fills_that_the_broker_told_of_it(broker: Broker, at: At, file: Any) -> None:
    account = held(broker, at)
    bought = order("B", 6, "BUY", 10, isin=build.ISINS["TCS"])
    evening(broker, at, 6, {"TCS": 100}, bought)
    broker.says["trades"] = [build.a_trade(bought, units, number) for units, number in ((4, "T1"), (6, "T2"))]
    build.synced(account)
    at("2026-10-09 10:00")
    stands = [("2026-10-06", "BUY", 4, "API"), ("2026-10-06", "BUY", 6, "API")]
    for price, known, differing in (("3000.009", 1, ""), ("2999.5", 0, "10 at 3000, in the file 10 at 2999.5")):
        told = file(f"{OURS},order_id", f"2026-10-06,BUY,10,{price},TCS,{build.ISINS['TCS']},B")
        shown = imported(told, account, "--accept")
        assert f"new, written: 0; in the book already: {known}" in shown
        assert differing in shown
        assert fills(account) == stands


@pytest.mark.parametrize("changes", [{"quantity": Decimal(8)}, {}])  # void
def test_an_order_as_a_whole_that_a_person_corrected_is_its_fills_as_it_was_told_before(
    account: BrokerAccount, file: Any, changes: dict[str, Any]
) -> None:
    lines = [f"2019-07-01,BUY,{units},3000,TCS,{build.ISINS['TCS']},{name},B" for units, name in ((4, "T1"), (6, "T2"))]
    columns = f"{OURS},trade_id,order_id"
    imported(file(columns, f"2019-07-01,BUY,10,3000,TCS,{build.ISINS['TCS']},,B"), account, "--accept")
    author, source_id = Author("Asha", "the contract note"), Transaction.objects.get().source_id
    revise(account, source_id, changes, author) if changes else void(account, source_id, author)
    stands = fills(account)
    assert "new, written: 0; in the book already: 2" in imported(file(columns, *lines), account, "--accept")
    assert fills(account) == stands


@pytest.mark.parametrize("changes", [{"quantity": Decimal(8)}, {"trade_date": date(2026, 10, 5)}])
@pytest.mark.parametrize("numbers", ["", ",TB,B", ",,B"])
def test_a_fill_that_a_person_corrected_is_found_as_it_was_told_before(
    broker: Broker, at: At, file: Any, numbers: str, changes: dict[str, Any]
) -> None:
    account = held(broker, at)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10, isin=build.ISINS["TCS"]))
    build.synced(account)
    at("2026-10-09 10:00")
    revise(account, Transaction.objects.get().source_id, changes, Author("Asha", "the contract note"))
    stands = fills(account)
    names = f"{OURS},trade_id,order_id" if numbers else OURS
    lines = names, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}{numbers}"
    assert "new, written: 0" in imported(file(*lines), account, "--accept")
    assert fills(account) == stands


@pytest.mark.parametrize("changes", [{"quantity": Decimal(8)}, {"price": Decimal(2990)}])
@pytest.mark.parametrize(("first", "later"), [("NSE,", ",TB"), (",TB", "BSE,TB")])
def test_a_fill_that_a_person_corrected_is_found_also_where_one_file_says_no_exchange(
    account: BrokerAccount, file: Any, first: str, later: str, changes: dict[str, Any]
) -> None:
    terms = f"2019-07-01,BUY,10,3000,TCS,{build.ISINS['TCS']}"
    imported(file(f"{OURS},exchange,trade_id", f"{terms},{first}"), account, "--accept")
    revise(account, Transaction.objects.get().source_id, changes, Author("Asha", "the contract note"))
    stands = fills(account)
    assert "new, written: 0" in imported(file(f"{OURS},exchange,trade_id", f"{terms},{later}"), account, "--accept")
    assert fills(account) == stands


@pytest.mark.parametrize("isin", ["", "INE009A01021"])
def test_fills_of_like_terms_are_other_fills_where_share_or_side_is_another(
    account: BrokerAccount, file: Any, isin: str
) -> None:
    """A fill without a number is named by its terms alone."""
    tcs = f"2019-07-01,BUY,50,100,TCS,{build.ISINS['TCS']}"
    others = f"2019-07-01,BUY,50,100,INFY,{isin}", tcs.replace("BUY", "SELL")
    for line in (tcs, *others):
        assert "new, written: 1; in the book already: 0" in imported(file(OURS, line), account, "--accept")
    told = imported(file(OURS, "2019-07-01,BUY,50,100,WIPRO,", tcs, *others), account, "--accept")
    assert "new, written: 1; in the book already: 3" in told
    for lines in (others, [tcs, "2019-07-01,BUY,50,100,WIPRO,"]):
        assert "new, written: 0; in the book already: 2" in imported(file(OURS, *lines), account, "--accept")
    found = Transaction.objects.current().values_list("symbol", "transaction_type")
    assert sorted(found) == [("INFY", "BUY"), ("TCS", "BUY"), ("TCS", "SELL"), ("WIPRO", "BUY")]
    recomputed.check_all_pages()


@pytest.mark.parametrize("first", ["", build.ISINS["TCS"]])
@pytest.mark.parametrize("rest", ["", ",T1"])
def test_a_fill_is_found_whether_its_isin_was_told_or_not(
    account: BrokerAccount, file: Any, first: str, rest: str
) -> None:
    """Two equal fills stay two, whichever file names the ISIN."""
    columns = f"{OURS},trade_id" if rest else OURS
    other = "" if first else build.ISINS["TCS"]
    before, after = ([f"2019-07-01,BUY,50,100,TCS,{isin}{rest}"] * (1 if rest else 2) for isin in (first, other))
    imported(file(columns, *before), account, "--accept")
    told = imported(file(columns, *after, f"2019-07-01,BUY,7,100,TCS,{other}{rest and ',T2'}"), account, "--accept")
    assert f"new, written: 1; in the book already: {len(before)}" in told


@pytest.mark.parametrize("isin", [None, build.ISINS["TCS"]])
def test_fills_that_the_broker_told_are_found_with_an_isin_and_without_one(
    broker: Broker, at: At, file: Any, isin: str | None
) -> None:
    account = held(broker, at)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10, isin=isin), order("C", 6, "BUY", 4, isin=isin))
    build.synced(account)
    at("2026-10-09 10:00")
    for told in ("", build.ISINS["TCS"]):
        for numbers in ("", ""), ("TB", "TC"):
            terms = (f"2026-10-06,BUY,{units},3000,TCS,{told}" for units in (10, 4))
            lines = [f"{each},{number}" for each, number in zip(terms, numbers, strict=True)]
            shown = imported(file(f"{OURS},trade_id", *lines), account, "--accept")
            assert "new, written: 0; in the book already: 2" in shown


@pytest.mark.parametrize("isin", ["", build.ISINS["TCS"]])
@pytest.mark.parametrize("order_id", ["", "B"])
def test_a_fill_at_another_exchange_is_found_by_its_number_where_the_file_does_not_say_the_exchange(
    broker: Broker, at: At, file: Any, isin: str, order_id: str
) -> None:
    account = held(broker, at)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10, isin=build.ISINS["TCS"], exchange="BSE"))
    build.synced(account)
    at("2026-10-09 10:00")
    columns, rest = f"{OURS},trade_id,order_id", f"{isin},TB,{order_id}"
    assert "new, written: 0; in the book already: 1" in imported(
        file(columns, f"2026-10-06,BUY,10,3000,TCS,{rest}"), account, "--accept"
    )
    told = imported(file(columns, f"2026-10-06,BUY,12,3000,TCS,{rest}"), account, "--accept")
    assert "2026-10-06 TCS: 10 at 3000, in the file 12 at 3000" in told
    assert fills(account) == [("2026-10-06", "BUY", 10, "API")]


def test_a_made_up_fill_is_replaced_by_those_of_its_own_day_and_share_alone(broker: Broker, at: At, file: Any) -> None:
    """The broker used the number of the order again."""
    account = held(broker, at)
    bought = order("B", 6, "BUY", 10, isin=build.ISINS["TCS"])
    evening(broker, at, 6, {"TCS": 100}, bought)
    broker.says["trades"] = [build.a_trade(bought, trade_id="", is_synthesised=True)]
    build.synced(account)
    at("2026-10-09 10:00")
    others = f"2026-10-07,BUY,4,3000,TCS,{build.ISINS['TCS']},T7,B", "2026-10-06,BUY,5,900,INFY,INE009A01021,T8,B"
    columns = f"{OURS},trade_id,order_id"
    imported(file(columns, *others), account, "--accept")
    assert fills(account) == [
        ("2026-10-06", "BUY", 5, "IMPORT"), ("2026-10-06", "BUY", 10, "API"), ("2026-10-07", "BUY", 4, "IMPORT"),
    ]  # fmt: skip
    imported(file(columns, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']},T9,B"), account, "--accept")
    assert fills(account)[1] == ("2026-10-06", "BUY", 10, "IMPORT")
    assert len(fills(account)) == 3


def test_a_number_of_the_book_is_another_fill_at_another_exchange_or_of_another_side(
    broker: Broker, at: At, file: Any
) -> None:
    account = held(broker, at)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10, isin=build.ISINS["TCS"], exchange="BSE"))
    build.synced(account)
    at("2026-10-09 10:00")
    rest = f"10,3000,TCS,{build.ISINS['TCS']},TB"
    path = file(f"{OURS},trade_id,exchange", f"2026-10-06,SELL,{rest},", f"2026-10-06,BUY,{rest},NSE")
    for _ in range(2):
        imported(path, account, "--accept")
    found = Transaction.objects.current().values_list("transaction_type", "exchange")
    assert sorted(found) == [("BUY", "BSE"), ("BUY", "NSE"), ("SELL", "NSE")]


def test_a_number_of_the_book_with_other_units_is_named_and_not_taken(broker: Broker, at: At, file: Any) -> None:
    account = held(broker, at)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 11))
    build.synced(account)
    at("2026-10-09 10:00")
    told = imported(
        file(f"{OURS},trade_id", f"2026-10-06,BUY,12,3000,TCS,{build.ISINS['TCS']},TB"), account, "--accept"
    )
    assert "2026-10-06 TCS: 11 at 3000, in the file 12 at 3000" in told
    assert fills(account) == [("2026-10-06", "BUY", 11, "API")]


def test_what_the_file_says_otherwise_is_named_and_not_taken(account: BrokerAccount, file: Any) -> None:
    imported(file(ZERODHA, row("2026-04-06", "buy", 10, "3000", "7")), account, "--accept")
    told = imported(file(ZERODHA, row("2026-04-06", "buy", 10, "3001", "7")), account, "--accept")
    assert "2026-04-06 TCS: 10 at 3000, in the file 10 at 3001" in told
    assert Transaction.objects.get().price == 3000


def test_up_to_the_openings_day_fills_add_no_quantity(broker: Broker, at: At, file: Any) -> None:
    account = held(broker, at)
    at("2026-10-09 10:00")
    isin = build.ISINS["TCS"]
    imported(
        file(OURS, f"2026-04-06,BUY,100,2000,TCS,{isin}", f"2026-10-01,BUY,7,2000,TCS,{isin}"), account, "--accept"
    )
    assert (account.holding_changes.count(), explained(account)) == (0, 100)


def missed_a_day(broker: Broker, at: At, after: int) -> BrokerAccount:
    """100 TCS on Monday, nobody looked on Tuesday, and `after` on Wednesday."""
    account = held(broker, at)
    at("2026-10-07 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=after)]
    build.synced(account)
    return account


@pytest.mark.parametrize(
    ("after", "lines", "left", "answered"),
    [
        (110, ["2026-10-06,BUY,10,3000"], {}, True),
        (110, ["2026-10-06,BUY,15,3000", "2026-10-06,SELL,5,3000"], {}, True),
        (110, ["2026-10-06,BUY,4,3000"], {1: 6}, False),
        (90, ["2026-10-07,SELL,10,3000"], {}, True),  # lowered on the day of the sale
        (100, ["2026-10-06,BUY,10,3000"], {1: -10}, False),  # which the holdings of Wednesday did not show
        (110, ["2026-10-06,BUY,10,3000", "2026-10-08,BUY,3,3000"], {}, True),  # the last is still expected
    ],
)
def test_a_missed_day_is_filled_in_and_its_question_answered(
    broker: Broker, at: At, file: Any, after: int, lines: list[str], left: dict[int, int], answered: bool
) -> None:
    account = missed_a_day(broker, at, after)
    at("2026-10-09 10:00")
    told = imported(file(OURS, *(f"{line},TCS,{build.ISINS['TCS']}" for line in lines)), account, "--accept")
    assert left_open(account) == left
    assert ("questions that it answers: 1" in told) is answered
    assert explained(account) == after
    recomputed.check_all_pages()


def test_what_a_file_explains_is_not_expected_again(broker: Broker, at: At, file: Any) -> None:
    account = missed_a_day(broker, at, 110)
    at("2026-10-08 10:00")
    imported(file(OURS, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}"), account, "--accept")
    evening(broker, at, 8, {"TCS": 110})
    build.synced(account)
    assert (left_open(account), explained(account)) == ({}, 110)


def test_a_question_that_a_file_raised_is_not_laid_to_days_on_which_nobody_looked(
    broker: Broker, at: At, file: Any
) -> None:
    account = missed_a_day(broker, at, 100)
    at("2026-10-14 10:00")
    imported(file(OURS, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}"), account, "--accept")
    ((first, *_),) = [question.proposals for question in open_questions(account)]
    assert first.answer and first.answer.kind == "TRANSFER_OUT"


def missed_days(broker: Broker, at: At) -> tuple[BrokerAccount, list[date]]:
    """100 TCS on Monday, and the days after it that nobody came for."""
    from portfolio.schedule.tick import tick

    account = held(broker, at)
    at("2026-10-09 10:00")
    tick()
    missed = account.slots.filter(result="missed", kind="DAILY_PORTFOLIO")
    return account, sorted(set(missed.values_list("trading_day", flat=True)))


def back_filled(account: BrokerAccount) -> list[date]:
    from portfolio.schedule.coverage import cover

    (covered,) = cover([account], date(2026, 10, 1), date(2026, 10, 31), build.MORNING.replace(day=9))
    return [day.day for day in covered.days if day.result == "back_filled"]


def test_the_missed_looks_of_the_days_of_a_file_are_back_filled(broker: Broker, at: At, file: Any) -> None:
    account, days = missed_days(broker, at)
    assert days
    path = file(OURS, f"{days[0]},BUY,10,3000,TCS,{build.ISINS['TCS']}")
    told = imported(path, account, "--accept", "--until", str(days[-1]))
    assert f"missed days that it fills in: {', '.join(map(str, days))}" in told
    assert back_filled(account) == days


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        ("2026-10-08", "2026-10-06", "--from 2026-10-08 is after --until 2026-10-06: there is no day between them"),
        ("2026-10-07", "", "--from 2026-10-07 is after the last fill of the file, of 2026-10-06: say --until too"),
        ("", "2026-10-05", "--until 2026-10-05 is before the first fill of the file, of 2026-10-06: say --from too"),
    ],
)
def test_a_range_that_has_no_day_is_refused(
    account: BrokerAccount, file: Any, since: str, until: str, why: str
) -> None:
    before = everything()
    path = file(OURS, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}")
    words = [*(("--from", since) if since else ()), *(("--until", until) if until else ())]
    assert imported(path, account, "--accept", *words, code=2) == why
    assert everything() == before


def test_days_after_the_last_fill_of_a_file_are_covered_where_it_is_said(broker: Broker, at: At, file: Any) -> None:
    account, days = missed_days(broker, at)
    path = file(OURS, f"{days[0]},BUY,10,3000,TCS,{build.ISINS['TCS']}")
    imported(path, account, "--accept", "--from", str(days[1]), "--until", str(days[-1]))
    assert back_filled(account) == days[1:]


def test_a_missed_day_without_a_fill_in_the_file_stays_missed(broker: Broker, at: At, file: Any) -> None:
    account, days = missed_days(broker, at)
    assert len(days) > 2
    isin = build.ISINS["TCS"]
    path = file(OURS, f"{days[0]},BUY,10,3000,TCS,{isin}", f"{days[-1]},BUY,10,3000,TCS,{isin}")
    told = imported(path, account, "--accept")
    assert f"  missed days that it fills in: {days[0]}, {days[-1]}" in told.splitlines()
    assert back_filled(account) == [days[0], days[-1]]


def a_short_evening(broker: Broker, at: At) -> BrokerAccount:
    """100 TCS on Monday. On Tuesday ten more were bought, of which no order list ever told."""
    from portfolio.schedule.tick import tick

    account = held(broker, at)
    broker.says["positions"] = [build.a_position(bought=10)]
    for moment in ("2026-10-06 16:05", "2026-10-06 19:05", "2026-10-06 23:25", "2026-10-07 08:00"):
        at(moment)
        tick()
    return account


def results(account: BrokerAccount) -> list[str]:
    looks = account.slots.filter(trading_day="2026-10-06", kind="DAILY_PORTFOLIO").order_by("due_at")
    return [str(result) for result in looks.values_list("result", flat=True)]


def test_a_day_that_lacks_orders_alone_is_filled_in_by_a_file_that_covers_it(broker: Broker, at: At, file: Any) -> None:
    account = a_short_evening(broker, at)
    assert (results(account), back_filled(account)) == (["partial", "partial"], [])
    told = imported(file(OURS, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}"), account, "--accept")
    assert "missed days that it fills in: 2026-10-06" in told
    assert (results(account), back_filled(account)) == (["back_filled"] * 2, [date(2026, 10, 6)])


def test_a_day_that_lacks_more_than_orders_stays_partial(broker: Broker, at: At, file: Any) -> None:
    broker.says["funds"] = BrokerUnavailable("the broker is down")
    account = a_short_evening(broker, at)
    imported(file(OURS, f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']}"), account, "--accept")
    assert (results(account), back_filled(account)) == (["partial", "partial"], [])


def test_fills_of_today_are_left_to_the_sync(broker: Broker, at: At, file: Any) -> None:
    account = held(broker, at)
    told = imported(file(OURS, f"2026-10-05,BUY,10,3000,TCS,{build.ISINS['TCS']}"), account, "--accept")
    assert "left to the sync, since they are of today or later: 1" in told
    assert fills(account) == []


def test_a_file_of_another_account_or_another_broker_is_refused(account: BrokerAccount, file: Any) -> None:
    imported(file(*LINES), account, "--accept")
    before = everything()
    groww, other = build.an_account("GROWW", "1"), build.an_account("ZERODHA", "CD5678")
    told = imported(file(*LINES), groww, "--accept", code=2)
    assert told == f"this is Zerodha Console's tradebook, and {groww} is an account at Groww"
    assert f"fills of this file stand in the book of {account}" in imported(file(*LINES), other, "--accept", code=2)
    assert everything()[:-1] == before[:-1]
    imported(file(*LINES), other, "--accept", "--anyway")
    assert fills(other) == FILLS


HEAVY = "Stock name,Symbol,ISIN,Type,Quantity,Value,Exchange,Exchange Order Id,Execution date and time,Order status"
BAD: list[tuple[bytes, str]] = [
    (b"", "the file is empty"),
    (ZERODHA.encode(), "there is no fill in it, only the line 1 of column names"),
    (
        f"{HEAVY}\nTCS,TCS,INE467B01029,BUY".encode(),
        "line 1: not a file that can be read here. Its columns are: Stock name",
    ),
    ("\n".join(LINES)[:-40].encode(), "line 4: 11 columns, not 14; the file was cut off"),
    ("\n".join(LINES).encode("utf-16"), "line 1: not in UTF-8; save the file as CSV UTF-8"),
    (
        "\n".join([*LINES, row("2026-04-06", "buy", 1).replace("TCS", "Caf\xe9")]).encode("latin-1"),
        "line 5: not in UTF-8",
    ),
    ("\n".join(LINES).replace(",", ";").encode(), "line 1: its columns are separated by ';', not by commas"),
    ("\n".join(LINES).replace("10.000000", "1.000,50").encode(), "line 2: 15 columns, not 14; the file has a number"),
    (b"trade_date,side,symbol,quantity,price\n2026-04-06,BUY,TCS,10,3000.5", "line 2: it does not end with the end of"),
    (b"trade_date,side,quantity,price,symbol\n2026-04-06,BUY,10,3000.5,TC", "so its symbol may be cut off"),
    (
        b"trade_date,side,quantity,price,symbol,trade_time\n2026-04-06,BUY,10,3000.5,TCS,10:15",
        "so its trade_time may be cut off",
    ),
    (f"{OURS}\n2026-04-06,BUY,10,3000.5,TCS,".encode(), "line 2: it does not end with the end of a line, so its isin"),
    (f"{OURS},segment\n2026-04-06,BUY,10,3000.5,TCS,,".encode(), "so its segment may be cut off"),
    (
        f"{OURS},trade_id\n2026-04-06,BUY,10,3000,TCS,,1\n2026-04-06,BUY,10,3000,TCS,,2.0261E+17\n".encode(),
        "line 3: trade_id: '2.0261E+17' is a number that a spreadsheet rewrote",
    ),
    (f"{OURS},order_id\n2026-04-06,BUY,10,3000,TCS,,2E17\n".encode(), "line 2: order_id: '2E17' is a number that a"),
    (
        "\n".join([*LINES, row("2026-04-06", "buy", 1, number="1.3e+15")]).encode(),
        "line 5: trade_id: '1.3e+15' is a number that a spreadsheet rewrote",
    ),
    (
        f"{OURS}\n2026-04-06,BUY,10,3000,TCS,\n2026-10-05,BUY,10000000,10000000,CIPLA,\n".encode(),
        "bad.csv, line 3: amount: quantity times price: 100000000000000.",
    ),
    (b"PK\x03\x04 and more", "a spreadsheet, not a CSV file"),
    (
        "\n".join(LINES).replace("10.000000", '"1,0.00"').encode(),
        "line 2: quantity: '1,0.00' is no number; write it as",
    ),
    ("\n".join(LINES).replace("10.000000", '"10,000000"').encode(), "line 2: quantity: '10,000000' is no number"),
    ("\n".join(LINES).replace("10.000000", "१०").encode(), "line 2: quantity: '१०' is no number"),
    ("\n".join(LINES).replace("10.000000", "-10").encode(), "line 2: quantity: '-10' is no number"),
    ("\n".join(LINES).replace("10.000000", "0").encode(), "line 2: quantity: 0 is no fill"),
    ("\n".join(LINES).replace("2026-06-01,", "01-06-2026,").encode(), "line 4: date: '01-06-2026' is no day"),
    ("\n".join(LINES).replace("2026-06-01,", "2026-W23-1,").encode(), "line 4: date: '2026-W23-1' is no day"),
    ("\n".join(LINES).replace("T10:00:00", " 10 a.m.").encode(), "line 2: time: '2026-04-06 10 a.m.' is no time"),
    ("\n".join(LINES).replace("sell", "short").encode(), "line 4: side: 'short' is neither buy nor sell"),
    ("\n".join(LINES).replace("INE467B01029", "TCS").encode(), "line 2: isin: 'TCS' is no ISIN"),
    ("\n".join(LINES).replace(",EQ,EQ,", ",MF,EQ,").encode(), "line 2: segment: 'MF' is not one that is kept here"),
    ("\n".join(LINES).replace("10.000000", '"10').encode(), "no line of a CSV file"),
    ("\n".join([*LINES, "=1+1," + "x" * 300]).encode(), "line 5: 2 columns, not 14"),
    (
        "\n".join([*LINES, row("2026-04-06", "buy", 1, symbol="TCS").replace("TCS", "T" * 99)]).encode(),
        "line 5: symbol: ",
    ),
]


@pytest.mark.parametrize(("body", "why"), BAD)
def test_a_bad_file_is_refused_with_its_line_and_nothing_is_written(
    account: BrokerAccount, tmp_path: Path, body: bytes, why: str
) -> None:
    path, before = tmp_path / "bad.csv", everything()
    path.write_bytes(body)
    assert why in imported(path, account, "--accept", code=2)
    assert everything() == before


@pytest.mark.parametrize("end", ["INE467B01029,CASH", ",FNO", ',""', ",\n", ",\r\n"])
def test_a_last_line_whose_last_value_is_whole_need_not_end(account: BrokerAccount, tmp_path: Path, end: str) -> None:
    path = tmp_path / "whole.csv"
    path.write_bytes(f"{OURS},segment\n2026-04-06,BUY,10,3000.5,TCS,{end}".encode())
    assert "new: 1" in imported(path, account, code=1)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(account: BrokerAccount, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as out:
        out.truncate(100_000_000)
    assert "larger than the 50 MB that are taken at once" in imported(path, account, "--accept", code=2)
    assert "cannot be read: No such file or directory" in imported(tmp_path / "none.csv", account, "--accept", code=2)
    assert "cannot be read: Is a directory" in imported(tmp_path, account, "--accept", code=2)


def test_what_comes_through_a_pipe_is_counted_too(account: BrokerAccount, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        for name, body, told, code in (
            ("large", b"x" * 60_000_000, "larger than the 50 MB that are taken at once", 2),
            ("small", "\n".join([*LINES, ""]).encode(), "new: 3", 1),
        ):
            os.mkfifo(tmp_path / name)
            writing = pool.submit((tmp_path / name).write_bytes, body)
            assert told in imported(tmp_path / name, account, code=code)
            assert isinstance(writing.exception(), BrokenPipeError) is (name == "large")


def test_numbers_are_exact_and_times_are_indias(account: BrokerAccount, file: Any) -> None:
    line = row("2026-04-06", "buy", 10).replace("3000.000000", "2456.712345")
    imported(file(ZERODHA, line), account, "--accept")
    fill = Transaction.objects.get()
    assert (fill.price, fill.amount, str(fill.executed_at)) == (
        Decimal("2456.712345"), Decimal("24567.12345"), "2026-04-06 04:30:00+00:00",
    )  # fmt: skip


def test_syncs_imports_and_answers_of_one_account_take_turns_and_none_is_lost(
    broker: Broker, at: At, file: Any
) -> None:
    account = missed_a_day(broker, at, 130)
    at("2026-10-08 16:05")
    lines = [f"2026-10-06,BUY,10,3000,TCS,{build.ISINS['TCS']},T{number}" for number in range(2)]
    paths = [file(f"{OURS},trade_id", line, name=f"{number}.csv") for number, line in enumerate(lines)]
    note = partial(call_command, "explain", "1", "note", "the rest", "--units", "5", stdout=StringIO())

    def work(number: int) -> None:
        try:
            if number % 3 == 0:
                sync([str(account.pk)], DAILY)
            elif number % 3 == 1:
                imported(paths[number % 2], account, "--accept")
            else:
                with suppress(CommandError):  # by then nothing, or less than that, is open
                    note()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    assert fills(account) == [("2026-10-06", "BUY", 10, "IMPORT")] * 2
    assert explained(account) == 130
    recomputed.check_all_pages()


def test_the_snapshot_of_a_day_follows_what_a_file_says_was_traded_on_it(broker: Broker, at: At, file: Any) -> None:
    account = build.an_account("SCRIPTED", "C1")
    broker.prices = {"TCS": Decimal(3100)}
    evening(broker, at, 5, {"TCS": 10})
    build.synced(account)
    evening(broker, at, 6, {"TCS": 10})
    broker.says["positions"] = [build.a_position("TCS", Decimal(4), Decimal(0))]  # and the order list lacks it
    build.synced(account)
    stood = account.snapshots.get(snapshot_date=date(2026, 10, 6))
    assert (stood.net_purchases, stood.trades_count) == (0, 0)

    at("2026-10-07 10:00")
    imported(file(OURS, f"2026-10-06,BUY,4,3000,TCS,{build.ISINS['TCS']}"), account, "--accept")

    now = account.snapshots.filter(snapshot_date=date(2026, 10, 6)).order_by("revision").last()
    assert now and stood.day_change is not None
    assert (now.revision, now.net_purchases, now.trades_count) == (2, 12_000, 1)
    assert (now.total_portfolio_value, now.day_change) == (stood.total_portfolio_value, stood.day_change - 12_000)
    recomputed.check_all_pages()


@pytest.mark.parametrize("is_at_once", [True, False])
@pytest.mark.parametrize("is_shown", [True, False])
def test_a_sale_that_is_learnt_later_leaves_in_its_days_total_what_was_owned_after_it(
    broker: Broker, at: At, file: Any, is_at_once: bool, is_shown: bool
) -> None:
    """Of 100, whether holdings show a sale on its own day or not, and whether positions show it or not."""
    broker.prices = {"TCS": Decimal(3000)}
    account = held(broker, at)
    evening(broker, at, 6, {"TCS": 70 if is_at_once else 100})
    broker.says["positions"] = [build.a_position("TCS", sold=30)] if is_shown else []
    build.synced(account)
    at("2026-10-09 10:00")
    imported(file(OURS, f"2026-10-06,SELL,30,3000,TCS,{build.ISINS['TCS']}"), account, "--accept")
    snapshot = account.snapshots.filter(snapshot_date="2026-10-06").latest("revision")
    assert (snapshot.total_holdings_value, snapshot.net_purchases, snapshot.day_change) == (210_000, -90_000, 0)
