"""When a contract ends, by its name; never earlier than it may."""

from datetime import date

import pytest

from ledger import absence
from tests import build


@pytest.mark.parametrize(
    ("symbol", "values", "expected"),
    [
        ("NIFTY26OCT25000CE", {}, date(2026, 10, 27)),
        ("NIFTYNXT5026OCTFUT", {}, date(2026, 10, 27)),
        ("SENSEX26OCT84000PE", {"exchange": "BSE"}, date(2026, 10, 29)),
        ("CRUDEOIL26OCTFUT", {"exchange": "MCX", "segment": "COMMODITY"}, date(2026, 10, 31)),
        ("NIFTY2610625000CE", {}, date(2026, 1, 6)),
        ("NIFTY26D0125000.5PE", {}, date(2026, 12, 1)),
        ("NIFTY2623125000CE", {}, None),
        ("TCS", {}, None),
    ],
)
def test_a_contract_ends_on_the_day_of_its_name(symbol: str, values: dict[str, str], expected: date | None) -> None:
    position = build.a_position(symbol, **{"segment": "FNO", **values})
    assert absence.expiry(position) == expected


def test_a_contract_is_believed_gone_on_its_last_day_only_after_the_close() -> None:
    ends = build.a_position("NIFTY26O0625000CE", 65, segment="FNO", product="NRML")
    missing = {("nifty", "FNO", "NRML"): absence.OpenPosition(ends, None, {})}
    assert absence.doubted(missing, date(2026, 10, 6), is_closed=False) == [*missing]
    assert absence.doubted(missing, date(2026, 10, 6), is_closed=True) == []


def test_an_answer_is_suspect_when_it_is_empty_or_lacks_most_of_what_is_open() -> None:
    whole, one_missing, half_missing = (10, 0, False), (10, 1, False), (10, 5, False)
    assert [absence.suspicion(*each) for each in (whole, one_missing, half_missing, (3, 0, True))] == [""] * 4
    assert absence.suspicion(10, 6, False) == "6 of 10 open positions are missing and were not closed"
    assert absence.suspicion(3, 1, True) == "an empty answer, while 1 open positions were not closed"
