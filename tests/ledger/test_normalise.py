"""What may stand in the book: scales, ranges, texts, times, and rows that cannot be right."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import entries, normalise
from ledger.entries import Funds
from ledger.errors import BadValue
from tests.build import a_holding, a_position, a_trade, an_order


@given(st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from([0, 4, 6, 8, 10]))
def test_a_number_is_rounded_half_to_even_or_refused(value: Decimal, scale: int) -> None:
    try:
        found = normalise.at_scale(value, scale)
    except BadValue:
        assert abs(value) * 10**scale > 2**63 - 2 or len(value.as_tuple().digits) > 20
        return
    assert -found.as_tuple().exponent == scale  # type: ignore[operator]
    assert abs(found - value) <= Decimal(5).scaleb(-scale - 1)
    assert not (found == 0 and found.is_signed())


@pytest.mark.parametrize(
    ("text", "expected"), [("2.5", "2"), ("3.5", "4"), ("-2.5", "-2"), ("-0.4", "0"), ("1E+3", "1000"), ("0E-30", "0")]
)
def test_halves_go_to_even_and_nothing_is_minus_zero(text: str, expected: str) -> None:
    assert str(normalise.at_scale(Decimal(text), 0)) == expected


@pytest.mark.parametrize("scale", [4, 6, 8, 10])
def test_the_largest_number_is_that_of_a_64_bit_integer(scale: int) -> None:
    largest = Decimal(2**63 - 1).scaleb(-scale)
    assert normalise.at_scale(largest, scale) == largest
    assert normalise.at_scale(-largest, scale) == -largest
    for beyond in (largest + Decimal(1).scaleb(-scale), -largest - Decimal(1).scaleb(-scale)):
        with pytest.raises(BadValue, match="is too large"):
            normalise.at_scale(beyond, scale)


@pytest.mark.parametrize("text", ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "1E+400", "9" * 60])
def test_what_is_no_number_that_fits_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        normalise.at_scale(Decimal(text), 8)


def test_each_figure_has_its_scale_and_a_price_of_nothing_is_unknown() -> None:
    one = Decimal(1)
    assert str(normalise.quantity(one)) == "1.0000000000"
    assert str(normalise.price(one)) == "1.00000000"
    assert str(normalise.money(one)) == "1.000000"
    assert normalise.money(None) is None
    assert str(normalise.known_price(one)) == "1.00000000"
    assert normalise.known_price(Decimal(0)) is normalise.known_price(None) is None


def test_text_is_trimmed_limited_and_clean() -> None:
    assert (normalise.text("  TCS "), normalise.text(None), normalise.text("")) == ("TCS", "", "")
    assert normalise.text("x" * 64) == "x" * 64
    for bad in ("x" * 65, "a\x00b", "é\ud800"):
        with pytest.raises(BadValue):
            normalise.text(bad)
    assert normalise.text("₹é") == "₹é"
    assert normalise.name(" TCS") == "TCS"
    with pytest.raises(BadValue, match="empty"):
        normalise.name("   ")


SCRUBBED = [
    ("PAN ABCDE1234F here", "PAN *** here"),
    ("mail a.b@c.co.in now", "mail *** now"),
    ("call +91 9876543210", "call ***"),
    ("call 9876543210", "call ***"),
    ("token eyJabcdefghijklm.nop-q", "token ***"),
    ("demat 1234567890123456", "demat ***"),
    ("client U123 and U123", "client *** and ***"),
    ("order 12345 of 10", "order 12345 of 10"),
    ("", ""),
    (None, ""),
]


@pytest.mark.parametrize(("text", "expected"), SCRUBBED)
def test_a_remark_is_kept_without_what_names_a_person(text: str | None, expected: str) -> None:
    assert normalise.scrubbed(text, ("U123", "")) == expected


def test_a_remark_is_cut_and_can_be_kept_anywhere() -> None:
    assert len(normalise.scrubbed("x" * 600)) == 500
    assert normalise.scrubbed("abc", limit=2) == "ab"
    assert normalise.scrubbed(" a\x00b\ud800 ") == "a b"


def test_a_time_without_a_zone_is_indias_and_a_day_is_indias() -> None:
    assert normalise.as_ist(datetime(2026, 10, 5, 16, 5)) == datetime(2026, 10, 5, 10, 35, tzinfo=UTC)  # noqa: DTZ001
    other = datetime(2026, 10, 5, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert normalise.as_ist(other).isoformat() == "2026-10-05T10:00:00+00:00"
    assert normalise.ist_date(datetime(2026, 10, 5, 18, 29, tzinfo=UTC)) == date(2026, 10, 5)
    assert normalise.ist_date(datetime(2026, 10, 5, 18, 30, tzinfo=UTC)) == date(2026, 10, 6)


@pytest.mark.parametrize(
    ("mapped", "filled", "expected"),
    [
        (None, 0, "UNKNOWN"), ("OPEN", 0, "OPEN"), ("OPEN", 4, "PARTIALLY_FILLED"), ("OPEN", 10, "EXECUTED"),
        ("CANCELLED", 10, "CANCELLED"), ("REJECTED", 4, "REJECTED"), ("MODIFY_PENDING", 4, "MODIFY_PENDING"),
        ("NEW", 10, "EXECUTED"),
    ],
)  # fmt: skip
def test_quantities_outweigh_a_word_that_is_not_final(mapped: str | None, filled: int, expected: str) -> None:
    assert normalise.common_status(mapped, Decimal(10), Decimal(filled)) == expected
    assert normalise.common_status("OPEN", Decimal(0), Decimal(0)) == "OPEN"


MINUS = Decimal(-1)
WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (a_holding(), {"quantity": MINUS}, "a holding cannot be negative"),
    (a_holding(), {"owned": MINUS}, "a holding cannot be negative"),
    *((a_holding(), {name: MINUS}, "a part of a holding cannot be negative") for name in entries.Holding._fields[6:12]),
    (a_holding(), {"average_price": MINUS}, "an average price cannot be negative"),
    *(
        (a_position(), {name: MINUS}, "a bought or sold quantity cannot be negative")
        for name in entries.Position._fields[6:13:2]
    ),
    (an_order(), {"quantity": MINUS}, "an order's quantity cannot be negative"),
    (an_order(), {"filled_quantity": MINUS}, "an order's quantity cannot be negative"),
    (an_order(), {"filled_quantity": Decimal(11)}, "filled 11 of 10 ordered"),
    (an_order(), {"transaction_type": "HOLD"}, "neither BUY nor SELL: 'HOLD'"),
    (a_trade(an_order(filled=4)), {"quantity": Decimal(0)}, "a fill must have a quantity above 0"),
    (a_trade(an_order(filled=4)), {"price": MINUS}, "a fill's price cannot be negative"),
    (a_trade(an_order(filled=4)), {"transaction_type": ""}, "neither BUY nor SELL: ''"),
]


@pytest.mark.parametrize(("entry", "change", "reason"), WRONG)
def test_a_row_that_cannot_be_right_says_why(entry: Any, change: dict[str, Any], reason: str) -> None:
    assert normalise.wrong(entry) is None
    assert normalise.wrong(entry._replace(**change)) == reason
    with pytest.raises(BadValue) as told:
        normalise.fitted(entry._replace(**change))
    assert str(told.value) == reason


def test_what_may_be_zero_or_negative_may() -> None:
    nothing = Decimal(0)
    assert normalise.wrong(a_holding(quantity=0, average=None)) is None
    assert normalise.wrong(a_position(sold=5)) is None
    assert normalise.wrong(an_order(quantity=0)) is None
    assert normalise.wrong(a_trade(an_order(filled=4), price=nothing)) is None
    assert normalise.wrong(Funds(MINUS)) is None


def test_an_entry_that_somebody_made_is_brought_to_the_form_of_the_book() -> None:
    given_at = datetime(2026, 10, 5, 16, 5, tzinfo=normalise.IST)
    made = normalise.fitted(
        an_order()._replace(
            quantity=Decimal(10), price=Decimal("3000.5"), created_at=given_at, remark="of ABCDE1234F", symbol=" A "
        )
    )
    assert (str(made.quantity), str(made.price), made.symbol) == ("10.0000000000", "3000.50000000", "A")
    assert (made.created_at.isoformat(), made.remark) == ("2026-10-05T10:35:00+00:00", "of ***")
    held = normalise.fitted(a_holding()._replace(average_price=Decimal(0), last_price=Decimal(0)))
    assert (held.average_price, held.last_price) == (None, None)
    assert str(normalise.fitted(Funds(Decimal(1), collateral=Decimal(2))).collateral) == "2.000000"
    assert normalise.fitted(a_trade(an_order(filled=4), is_synthesised=True)).is_synthesised is True
    assert str(normalise.fitted(a_position(realised_pnl=5, credit_price=0)).credit_price) == "0E-8"


@pytest.mark.parametrize(
    "change",
    [{"quantity": 1.5}, {"isin": "X" * 21}, {"exchange": "X" * 21}, {"symbol": "X" * 65}, {"doubt": "X" * 201},
     {"quantity": Decimal("NaN")}, {"quantity": 10**12}],
)  # fmt: skip
def test_an_entry_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadValue):
        normalise.fitted(a_holding()._replace(**change))


def test_a_currency_has_three_letters() -> None:
    assert normalise.fitted(Funds(Decimal(1), currency="INR")).currency == "INR"
    with pytest.raises(BadValue):
        normalise.fitted(Funds(Decimal(1), currency="INRS"))
