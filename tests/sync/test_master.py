"""The instrument master: taken whole once a day, in bulk, and never at an account's expense."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger.entries import Instrument as Line
from ledger.entries import Listing as Named
from portfolio import clock
from portfolio.models import BrokerType, Instrument, Listing, RawReply
from portfolio.schedule.tick import tick
from portfolio.sync import instruments, master
from portfolio.triggers.base import Answer, BrokerUnavailable
from portfolio.triggers.registry import REGISTRY
from simulators.groww import GrowwSimulator
from tests import build
from tests.sync.scripted import Broker
from tests.test_commands import run

pytestmark = pytest.mark.database

At = Callable[[str], None]
FILE = "/instruments/instrument.csv"


@pytest.fixture
def groww() -> Iterator[GrowwSimulator]:
    with build.groww() as simulator:
        yield simulator


@pytest.fixture
def listing_broker(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Makes the scripted broker offer an instrument file: rows, an exception, or a function."""

    def offer(answer: Any) -> None:
        def fetch_instruments(self: Any) -> Any:
            broker.asked.append(("", "instruments"))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(REGISTRY["SCRIPTED"], "fetch_instruments", fetch_instruments, raising=False)
        broker.says["instruments"] = []

    return offer


def lines(*rows: tuple[str, str], exchange: str = "NSE", full_name: str = "") -> list[Line]:
    """From ISINs and symbols."""
    return [Line(Named(isin, symbol, exchange), full_name) for isin, symbol in rows]


def names() -> list[tuple[str, str | None, str, str]]:
    """Symbol, ISIN, from, until."""
    rows = Listing.objects.order_by("listed_from", "symbol").select_related("instrument")
    return [(row.symbol, row.instrument.isin, str(row.listed_from), str(row.listed_until or "")) for row in rows]


def times_asked(simulator: GrowwSimulator) -> int:
    return [served.path for served in simulator.requests].count(FILE)


# What is written


def test_a_whole_file_is_written_with_full_names_and_dates(groww: GrowwSimulator) -> None:
    taken = master.fetch("GROWW")
    tcs = Instrument.objects.get(isin="INE467B01029")
    assert (tcs.symbol, tcs.name, tcs.segment) == ("TCS", "Tata Consultancy Services", "CASH")
    assert {(row.exchange, row.symbol, row.listed_from, row.listed_until) for row in tcs.listings.all()} == {
        ("NSE", "TCS", date(2026, 10, 5), None), ("BSE", "TCS", date(2026, 10, 5), None),
    }  # fmt: skip
    assert (taken.new_instruments, taken.new_names) == (Instrument.objects.count(), Listing.objects.count())
    assert taken.listings == taken.new_names > taken.new_instruments > 20
    assert not RawReply.objects.exists()


def test_the_same_file_again_writes_nothing(groww: GrowwSimulator) -> None:
    master.fetch("GROWW")
    before = list(Instrument.objects.values()), list(Listing.objects.values())
    taken = master.fetch("GROWW")
    assert (taken.new_instruments, taken.new_names) == (0, 0)
    assert (list(Instrument.objects.values()), list(Listing.objects.values())) == before


def test_a_name_that_means_another_isin_is_listed_anew_and_the_old_rows_stay(at: At) -> None:
    master.take("ANY", lines(("INE585B01010", "MARUTI")))
    old = Instrument.objects.get()
    at("2026-10-06 16:05")
    taken = master.take("ANY", lines(("INE585B01028", "MARUTI")))
    assert (taken.new_instruments, taken.new_names, Instrument.objects.get(isin="INE585B01010")) == (1, 1, old)
    assert names() == [
        ("MARUTI", "INE585B01010", "2026-10-05", "2026-10-05"),
        ("MARUTI", "INE585B01028", "2026-10-06", ""),
    ]


def test_two_isins_that_go_by_one_name_take_it_once_and_do_not_take_it_back(at: At) -> None:
    """Whoever tells of them: files of two brokers, or the holdings of two accounts."""
    seen = []
    for day in ("2026-10-05", "2026-10-06", "2026-10-07"):
        at(f"{day} 16:05")
        for isin in ("INE585B01010", "INE585B01028", "INE585B01010"):
            master.take("ANY", lines((isin, "MARUTI")))
            told = Named(isin, "MARUTI")
            assert instruments.resolve([told], clock.today())[told] == str(Instrument.objects.get(isin=isin).pk)
        seen.append(names())
    both = [("MARUTI", "INE585B01010", "2026-10-05", "2026-10-05"), ("MARUTI", "INE585B01028", "2026-10-06", "")]
    assert seen == [[("MARUTI", "INE585B01010", "2026-10-05", "")], both, both]


def test_a_name_that_a_file_gives_twice_means_what_it_meant_first() -> None:
    master.take("ANY", lines(("INE585B01010", "MARUTI"), ("INE585B01028", "MARUTI")))
    assert names() == [("MARUTI", "INE585B01010", "2026-10-05", "")]


def test_names_that_a_shorter_file_lacks_stay() -> None:
    master.take("ANY", lines(("INE585B01010", "MARUTI"), ("INE467B01029", "TCS")))
    master.take("ANY", lines(("INE467B01029", "TCS")))
    assert [name[0] for name in names()] == ["MARUTI", "TCS"]


def test_an_instrument_that_an_order_named_before_is_given_its_isin_and_stays_itself() -> None:
    called = Named(None, "MARUTI")
    pk = instruments.resolve([called], clock.today())[called]
    master.take("ANY", lines(("INE585B01010", "MARUTI"), full_name="Maruti Suzuki India"))
    assert list(Instrument.objects.values_list("pk", "isin", "name")) == [
        (Instrument.objects.get().pk, "INE585B01010", "Maruti Suzuki India")
    ]
    assert str(Instrument.objects.get().pk) == pk == instruments.resolve([called], clock.today())[called]


def test_what_a_process_remembers_of_a_name_ends_with_a_file_that_says_otherwise(at: At) -> None:
    called = Named(None, "MARUTI")
    master.take("ANY", lines(("INE585B01010", "MARUTI")))
    before = instruments.resolve([called], clock.today())[called]
    at("2026-10-06 16:05")
    master.take("ANY", lines(("INE585B01028", "MARUTI")))
    assert instruments.resolve([called], clock.today())[called] != before


def test_full_names_are_filled_in_and_not_changed() -> None:
    instruments.resolve([Named("INE467B01029", "TCS")], clock.today())
    for full_name in ("", "Tata Consultancy Services", "TATA CONSULTANCY SERV LT"):
        master.take("ANY", lines(("INE467B01029", "TCS"), full_name=full_name))
    assert Instrument.objects.get().name == "Tata Consultancy Services"


def test_lines_that_the_tables_cannot_keep_are_left_out() -> None:
    taken = master.take("ANY", lines(("INE467B01029", "T" * 65), ("INE585B01010", "MARUTI")))
    assert (taken.listings, [name[0] for name in names()]) == (1, ["MARUTI"])


@pytest.mark.parametrize("size", [1, 50])
def test_a_part_of_a_file_takes_as_many_statements_whatever_its_size(size: int) -> None:
    rows = lines(*((f"INE{number:08}1", f"SHARE{number}") for number in range(size)))
    with CaptureQueriesContext(connection) as first:
        master.take("ANY", rows)
    with CaptureQueriesContext(connection) as again:
        master.take("ANY", rows)
    assert (len(first.captured_queries) < 12, len(again.captured_queries)) == (True, 3)


# When it is taken


def test_the_first_sync_of_a_day_takes_it_and_the_others_do_not(groww: GrowwSimulator) -> None:
    (ucc,) = groww.investors
    account = build.a_groww_account(groww, ucc)
    asked = []
    for moment in ("2026-10-05 16:05", "2026-10-05 19:00", "2026-10-05 23:50", "2026-10-06 00:10", "2026-10-06 16:05"):
        groww.move_to(moment)
        build.synced(account)
        asked.append(times_asked(groww))
    assert asked == [1, 1, 1, 2, 2]
    assert Instrument.objects.exclude(name="").count() > 20


def test_it_is_there_before_the_first_order_is_read(groww: GrowwSimulator) -> None:
    (ucc,) = groww.investors
    build.synced(build.a_groww_account(groww, ucc))
    assert list(Instrument.objects.filter(isin=None, segment="CASH")) == []


def test_a_file_that_does_not_come_harms_no_account_and_is_asked_for_again_within_hours(
    groww: GrowwSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    (ucc,) = groww.investors
    account = build.a_groww_account(groww, ucc)
    groww.fault("html_200", FILE, times=10)
    asked, ended = [], []
    for moment in ("2026-10-05 16:05", "2026-10-05 16:30", "2026-10-05 17:06"):
        groww.move_to(moment)
        ended += [result.status for result in build.synced(account)]
        asked.append(times_asked(groww))
    assert (ended, asked[0] == asked[1] < asked[2]) == (["COMPLETED"] * 3, True)
    assert [record.getMessage().partition(":")[0] for record in caplog.records if record.name == master.__name__] == [
        "the instruments of GROWW were not taken, accounts go on without"
    ] * 2
    assert BrokerType.objects.get(pk="GROWW").instruments_taken_at is None


def test_a_run_that_is_killed_while_it_takes_the_file_costs_minutes_and_no_hour(
    broker: Broker, listing_broker: Callable[[Any], None], at: At
) -> None:
    def killed(replies: Any) -> Any:
        raise KeyboardInterrupt

    account, asked = build.an_account("SCRIPTED"), []
    listing_broker(Answer([], killed))
    at("2026-10-05 16:05")
    with pytest.raises(KeyboardInterrupt):
        build.synced(account)
    listing_broker([Named("INE467B01029", "TCS")])
    for moment in ("2026-10-05 16:06", "2026-10-05 16:10", "2026-10-05 16:11"):
        at(moment)
        build.synced(account)
        asked.append(broker.asked.count(("", "instruments")))
    assert (asked, names()) == ([1, 2, 2], [("TCS", "INE467B01029", "2026-10-05", "")])


@pytest.mark.parametrize(
    "answer",
    [
        BrokerUnavailable("no connection"),
        KeyError("a fault of the trigger"),
        [],
        ["TCS"],
        Answer([], lambda replies: ([], [])),
        Answer([], lambda replies: 1 / 0),  # type: ignore[arg-type,return-value]
    ],
)
def test_whatever_is_wrong_with_a_file_the_account_is_synced(
    broker: Broker, listing_broker: Callable[[Any], None], caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    listing_broker(answer)
    (result,) = build.synced(build.an_account("SCRIPTED"))
    assert (result.status, broker.asked[0]) == ("COMPLETED", ("", "instruments"))
    assert [record.levelno >= logging.WARNING for record in caplog.records] == [True]


def test_a_tick_takes_it_too_for_accounts_that_are_due(
    broker: Broker, listing_broker: Callable[[Any], None], at: At
) -> None:
    listing_broker([Named("INE467B01029", "TCS")])
    at("2026-10-05 09:00")
    build.an_account("SCRIPTED")
    at("2026-10-05 16:05")
    assert (tick(), broker.asked.count(("", "instruments"))) == (1, 1)


def test_a_plain_trigger_may_give_listings(broker: Broker, listing_broker: Callable[[Any], None]) -> None:
    listing_broker([Named("INE467B01029", "TCS")])
    build.synced(build.an_account("SCRIPTED"))
    assert names() == [("TCS", "INE467B01029", "2026-10-05", "")]


def test_a_file_taken_under_a_clock_that_ran_ahead_is_not_waited_for(
    broker: Broker, listing_broker: Callable[[Any], None], at: At
) -> None:
    listing_broker([Named("INE467B01029", "TCS")])
    account = build.an_account("SCRIPTED")
    for moment in ("2026-11-20 16:05", "2026-10-05 16:05"):
        at(moment)
        build.synced(account)
    assert broker.asked.count(("", "instruments")) == 2


# The command


def test_the_command_takes_every_file_there_is_and_says_what_was_new(groww: GrowwSimulator) -> None:
    code, out, errors = run("fetch_instruments")
    assert (code, errors) == (0, "")
    assert out == (
        f"GROWW: {Listing.objects.count()} names, {Listing.objects.count()} of them new; "
        f"{Instrument.objects.count()} new instruments\n"
    )
    assert run("fetch_instruments", "groww")[1].endswith("names, 0 of them new; 0 new instruments\n")


def test_the_command_speaks_json_too(groww: GrowwSimulator) -> None:
    code, out, _ = run("fetch_instruments", "GROWW", "--json")
    (told,) = json.loads(out)["brokers"]
    assert (code, told["broker"], told["new_names"], told["set_aside"]) == (0, "GROWW", Listing.objects.count(), 0)


def test_the_command_says_why_a_file_was_not_taken(groww: GrowwSimulator) -> None:
    groww.fault("html_200", FILE, times=10)
    code, out, errors = run("fetch_instruments", "groww")
    assert (code, out) == (1, "")
    assert errors.startswith(f"GROWW: not taken: GET {FILE}: the broker answered 200 with a web page")


def test_the_command_tells_a_trigger_that_raises_without_a_traceback(
    broker: Broker, listing_broker: Callable[[Any], None]
) -> None:
    listing_broker(KeyError("isin"))
    assert run("fetch_instruments", "scripted") == (
        1, "", "SCRIPTED: not taken: the trigger failed with KeyError: 'isin'\n",
    )  # fmt: skip


def test_the_command_knows_which_brokers_have_a_file() -> None:
    assert run("fetch_instruments", "sample") == (
        2, "", "no instrument file is known of SAMPLE; there are those of: GROWW",
    )  # fmt: skip
