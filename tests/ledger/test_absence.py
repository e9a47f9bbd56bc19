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
