"""Which instrument a name means: by ISIN first, by name else, and what has to be written for it."""

from collections.abc import Iterator

import pytest

from ledger.entries import Listing
from ledger.listings import Known, Name, Plan, name_of, plan

TCS, TCS_BSE = Listing("INE467B01029", "TCS"), Listing("INE467B01029", "TCS", "BSE")
NO_ISIN, OTHER = Listing(None, "TCS"), Listing("INE154A01025", "TCS")


@pytest.fixture
def ids() -> Iterator[str]:
    return (f"new {number}" for number in range(1, 100))


def planned(known: Known, ids: Iterator[str], *missing: Listing) -> Plan:
    return plan(missing, known, lambda: next(ids))


def a_book(*listings: tuple[Listing, str]) -> Known:
    known = Known()
    for listing, instrument in listings:
        known.by_name[name_of(listing)] = instrument
        if listing.isin:
            known.by_isin[listing.isin] = instrument
        else:
            known.without_isin.add(instrument)
    return known


def test_one_isin_at_two_exchanges_is_one_instrument_with_two_names(ids: Iterator[str]) -> None:
    known = Known()
    assert planned(known, ids, TCS, TCS_BSE) == Plan(
        made={"new 1": TCS_BSE}, listed={name_of(TCS_BSE): "new 1", name_of(TCS): "new 1"}
    )
    assert (known.of(TCS), known.of(TCS_BSE), known.id_of(NO_ISIN)) == ("new 1", "new 1", "new 1")


def test_a_name_without_an_isin_finds_the_instrument_that_is_called_so(ids: Iterator[str]) -> None:
    assert planned(a_book((TCS, "old")), ids, NO_ISIN) == Plan()
    assert planned(Known(), ids, NO_ISIN, TCS) == Plan(made={"new 1": TCS}, listed={name_of(TCS): "new 1"})


def test_a_name_that_nobody_knows_is_an_instrument_of_its_own(ids: Iterator[str]) -> None:
    assert planned(Known(), ids, NO_ISIN) == Plan(made={"new 1": NO_ISIN}, listed={name_of(NO_ISIN): "new 1"})


def test_an_instrument_known_by_name_alone_is_given_its_isin(ids: Iterator[str]) -> None:
    known = a_book((NO_ISIN, "old"))
    assert planned(known, ids, TCS) == Plan(identified={"old": "INE467B01029"})
    assert (known.of(TCS), known.without_isin) == ("old", set())


BSE = Listing(None, "TCS", "BSE")


def test_a_name_without_an_isin_is_the_one_share_that_another_exchange_calls_so(ids: Iterator[str]) -> None:
    known = a_book((TCS, "old"))
    assert planned(known, ids, BSE) == Plan(listed={name_of(BSE): "old"})
    assert planned(Known(), ids, BSE, TCS) == Plan(
        made={"new 1": TCS}, listed={name_of(TCS): "new 1", name_of(BSE): "new 1"}
    )


def test_where_two_go_by_a_symbol_or_it_is_no_share_nothing_is_taken_for_another_exchanges(ids: Iterator[str]) -> None:
    at_two = a_book((TCS, "old"), (OTHER._replace(exchange="MSE"), "other"))
    assert planned(at_two, ids, BSE) == Plan(made={"new 1": BSE}, listed={name_of(BSE): "new 1"})
    future, other = (Listing(None, "TCS26OCTFUT", exchange, "FNO") for exchange in ("NSE", "BSE"))
    assert planned(a_book((future, "old")), ids, other).made == {"new 2": other}


def test_an_instrument_known_by_its_name_at_another_exchange_alone_is_given_its_isin(ids: Iterator[str]) -> None:
    known = a_book((NO_ISIN, "old"))
    assert planned(known, ids, TCS_BSE) == Plan(identified={"old": "INE467B01029"}, listed={name_of(TCS_BSE): "old"})


def test_an_isin_that_another_exchange_calls_so_too_is_no_reason_to_take_it_for_the_same(ids: Iterator[str]) -> None:
    other = OTHER._replace(exchange="BSE")
    assert planned(a_book((TCS, "old")), ids, other) == Plan(made={"new 1": other}, listed={name_of(other): "new 1"})


def test_a_file_that_has_every_name_takes_none_for_another_exchanges(ids: Iterator[str]) -> None:
    known, other = a_book((NO_ISIN, "old")), OTHER._replace(exchange="BSE")
    assert plan([other, TCS], known, lambda: next(ids), is_whole=True) == Plan(
        made={"new 1": other}, identified={"old": "INE467B01029"}, listed={name_of(other): "new 1"}
    )


def test_only_one_isin_is_given_to_an_instrument(ids: Iterator[str]) -> None:
    made = planned(a_book((NO_ISIN, "old")), ids, TCS, OTHER)
    assert made.identified == {"old": "INE154A01025"}
    assert (made.made, made.listed) == ({"new 1": TCS}, {name_of(TCS): "new 1"})


def test_an_instrument_with_an_isin_is_never_given_another(ids: Iterator[str]) -> None:
    known = a_book((OTHER, "old"))
    assert planned(known, ids, TCS) == Plan(made={"new 1": TCS}, listed={name_of(TCS): "new 1"})
    assert (known.by_isin["INE154A01025"], known.of(OTHER)) == ("old", None)


def test_a_new_name_of_a_known_isin_is_listed_beside_the_old_one(ids: Iterator[str]) -> None:
    known, renamed = a_book((TCS, "old")), Listing("INE467B01029", "TATACONS")
    assert planned(known, ids, renamed) == Plan(listed={Name("TATACONS", "NSE", "CASH"): "old"})
    assert (known.of(renamed), known.of(TCS)) == ("old", "old")


def test_a_name_means_one_thing_a_day_and_goes_to_another_isin_on_the_next(ids: Iterator[str]) -> None:
    known = a_book((TCS, "old"))
    known.begun = {name_of(TCS)}
    assert planned(known, ids, OTHER) == Plan(made={"new 1": OTHER})
    assert (known.id_of(OTHER), known.id_of(NO_ISIN)) == ("new 1", "old")
    known.begun = set()
    assert planned(known, ids, OTHER) == Plan(listed={name_of(OTHER): "new 1"})


def test_a_name_never_goes_back_to_an_instrument_that_lost_it(ids: Iterator[str]) -> None:
    known = a_book((TCS, "old"), (OTHER, "new"))
    known.former = {(name_of(TCS), "old")}
    assert planned(known, ids, TCS) == Plan()
    assert (known.id_of(TCS), known.id_of(NO_ISIN)) == ("old", "new")


def test_of_two_new_isins_with_one_name_the_first_has_it(ids: Iterator[str]) -> None:
    assert planned(Known(), ids, TCS, OTHER) == Plan(
        made={"new 1": OTHER, "new 2": TCS}, listed={name_of(OTHER): "new 1"}
    )
