"""What positions show of a day and no order or fill tells; and what only looks like that."""

from decimal import Decimal
from typing import Any

import pytest

from ledger.absence import Traded
from ledger.unlisted import Dealt, Missing, missing


def dealt(bought: Any = 0, sold: Any = 0, product: str = "CNC", **values: Any) -> Dealt:
    """Of TCS, in units."""
    carried = Decimal(values.pop("carried", 0))
    one = Dealt("tcs", "TCS", "CASH", product, Traded(Decimal(bought), Decimal(sold)), carried)
    return one._replace(**values)


def beyond(bought: int, sold: int) -> list[Missing]:
    return [Missing("TCS", Decimal(bought), Decimal(sold))]


@pytest.mark.parametrize(
    ("shown", "told", "expected"),
    [
        (dealt(10), dealt(10), []),
        (dealt(10), dealt(12), []),  # a fill that was told later than the positions
        (dealt(10, 4), dealt(10, 4), []),
        (dealt(10), dealt(9), beyond(1, 0)),
        (dealt(10, 4), dealt(10), beyond(0, 4)),
        (dealt(10, 4), dealt(0, 0), beyond(10, 4)),
        (dealt(10), dealt(20, 0, segment="FNO"), beyond(10, 0)),
        (dealt(10), dealt(10, instrument="infy", symbol="INFY"), beyond(10, 0)),
        (dealt(carried=65), dealt(), []),
    ],
)
def test_what_is_shown_and_not_told_is_missing(shown: Dealt, told: Dealt, expected: list[Missing]) -> None:
    assert missing([shown], [told]) == expected


def test_fills_of_one_instrument_add_up_whatever_product_they_were_of() -> None:
    told = [dealt(4), dealt(6, product="MTF"), dealt(0, 3, "MIS")]
    assert missing([dealt(10, 3)], told) == []
    assert missing([dealt(4), dealt(7, 3, "MTF")], told) == beyond(1, 0)


def test_what_is_converted_moves_from_one_product_to_another() -> None:
    assert missing([dealt(0, 0, "MIS"), dealt(10)], [dealt(10, product="MIS")]) == []
    assert missing([dealt(0, 0, "MIS"), dealt(11)], [dealt(10, product="MIS")]) == beyond(1, 0)


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ([dealt(10, 10, "MIS"), dealt(10)], [dealt(10, product="MIS")]),
        ([dealt(10, 10, "MIS"), dealt(0, 10, "NRML")], [dealt(0, 10, "MIS")]),  # sold first
        ([dealt(10, 4, "MIS"), dealt(4)], [dealt(10, product="MIS")]),
        ([dealt(0, 65, "NRML", carried=65), dealt(65, 0, "MIS")], []),
        ([dealt(65, 0, "NRML", carried=-65), dealt(0, 65, "MIS")], []),
    ],
)
def test_what_is_converted_may_be_shown_as_a_sale_here_and_a_purchase_there(
    shown: list[Dealt], told: list[Dealt]
) -> None:
    assert missing(shown, told) == []


@pytest.mark.parametrize(
    ("shown", "told", "expected"),
    [
        # A round trip of one product; a purchase and a sale of two, of which neither had what the other got.
        ([dealt(10, 10, "MIS"), dealt(5)], [dealt(5)], beyond(10, 10)),
        ([dealt(0, 10, "MIS"), dealt(10)], [], beyond(10, 10)),
        # More than was there to convert.
        ([dealt(10, 14, "MIS"), dealt(14)], [dealt(10, product="MIS")], beyond(4, 4)),
        ([dealt(0, 65, "NRML", carried=60), dealt(65, 0, "MIS")], [], beyond(5, 5)),
        ([dealt(65, 0, "NRML", carried=-60), dealt(0, 65, "MIS")], [], beyond(5, 5)),
        # Beside what was converted.
        ([dealt(10, 10, "MIS"), dealt(13)], [dealt(10, product="MIS")], beyond(3, 0)),
    ],
)
def test_what_was_traded_is_no_conversion(shown: list[Dealt], told: list[Dealt], expected: list[Missing]) -> None:
    assert missing(shown, told) == expected


def test_a_name_that_led_to_another_instrument_before_is_the_same_name() -> None:
    assert missing([dealt(10)], [dealt(6), dealt(4, instrument="tcs without its isin")]) == []
    assert missing([dealt(10)], [dealt(6), dealt(4, instrument="other", symbol="")]) == beyond(4, 0)


def test_each_instrument_is_named_for_itself() -> None:
    infy = {"instrument": "infy", "symbol": "INFY"}
    shown = [
        dealt(10),
        dealt(3, **infy),
        dealt(0, 65, "NRML", instrument="nifty", symbol="NIFTY26NOVFUT", segment="FNO"),
    ]
    told = [dealt(10)]
    assert missing(shown, told) == [
        Missing("INFY", Decimal(3), Decimal(0)), Missing("NIFTY26NOVFUT", Decimal(0), Decimal(65)),
    ]  # fmt: skip
