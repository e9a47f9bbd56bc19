"""Decimals are exact and equal on both databases: written, read, compared, added up and generated."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.migrations.writer import MigrationWriter
from django.db.models import Case, ExpressionWrapper, F, Max, Min, OuterRef, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio.models import PortfolioSnapshot, Price, RealPosition
from portfolio.models.fields import ExactDecimalField, money_field, percent_field, price_field, quantity_field
from tests.rows import new_row

pytestmark = pytest.mark.database

LARGEST = 2**63 - 1


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def position(quantity: Any = 0, **values: Any) -> RealPosition:
    row: RealPosition = new_row(RealPosition, quantity=quantity, **values)
    row.save(force_insert=True)
    return row


def read(row: RealPosition, name: str = "quantity") -> Any:
    return RealPosition.objects.values_list(name, flat=True).get(pk=row.pk)


def count(**conditions: Any) -> int:
    return RealPosition.objects.filter(**conditions).count()


def fields() -> list[ExactDecimalField[Any]]:
    return [quantity_field(), price_field(), money_field(), percent_field()]


def test_a_decimal_is_kept_at_its_scale_rounded_half_to_even() -> None:
    expected = [
        (Decimal("1400.50"), "1400.5000000000"),
        (Decimal("0.00000000005"), "0E-10"),
        (Decimal("0.00000000015"), "2E-10"),
        (Decimal("-0.00000000025"), "-2E-10"),
        (Decimal("-0.00000000001"), "0E-10"),
        (Decimal("-0"), "0E-10"),
        (Decimal("1E+3"), "1000.0000000000"),
        (7, "7.0000000000"),
        ("12.5", "12.5000000000"),
        (Decimal(LARGEST).scaleb(-10), "922337203.6854775807"),
        (Decimal(-LARGEST).scaleb(-10), "-922337203.6854775807"),
    ]

    assert [(value, str(read(position(value)))) for value, _ in expected] == expected


@settings(max_examples=60)
@given(st.integers(-LARGEST, LARGEST), st.sampled_from(["quantity", "credit_price", "realised_pnl"]))
def test_every_value_in_range_comes_back_as_it_was(units: int, name: str) -> None:
    scale = RealPosition._meta.get_field(name).scale  # type: ignore[union-attr]
    value = Decimal(units).scaleb(-scale)

    assert read(position(**{name: value}), name) == value


WRONG = [
    1.5,
    float("nan"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("-Infinity"),
    True,
    "many",
    "",
    "1,000",
    b"1",
    [1],
    Decimal(LARGEST + 1).scaleb(-10),
    Decimal("-1E9"),
    Decimal("1E400"),
]


def test_what_cannot_be_kept_exactly_is_refused_by_name() -> None:
    for wrong in WRONG:
        with pytest.raises(ValueError, match="quantity: "):
            position(wrong)
        with pytest.raises(ValueError, match="quantity: "):
            count(quantity__gt=wrong)
        with pytest.raises(ValidationError, match="quantity: "):
            RealPosition._meta.get_field("quantity").clean(wrong, None)


def test_nothing_is_kept_as_nothing() -> None:
    row = position(average_price=None)

    assert read(row, "average_price") is None
    assert (count(average_price__isnull=True), count(average_price=None), count(quantity__isnull=True)) == (1, 1, 0)


def test_the_database_keeps_a_number_of_the_same_kind_as_the_other() -> None:
    position(Decimal("1.5"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT quantity FROM real_positions")
        (kept,) = cursor.fetchone()

    assert kept == (15_000_000_000 if connection.vendor == "sqlite" else Decimal("1.5"))


def test_lookups_compare_numbers_and_not_their_text() -> None:
    expected: list[tuple[dict[str, Any], int]] = [
        ({"quantity": 2}, 1),
        ({"quantity": Decimal("2.0000000000")}, 1),
        ({"quantity": "2"}, 1),
        ({"quantity__gt": Decimal("1.9999999999")}, 4),
        ({"quantity__gte": 2}, 4),
        ({"quantity__lt": Decimal("-0.5")}, 1),
        ({"quantity__lte": 0}, 2),
        ({"quantity__in": [1, Decimal("2.00"), "10.5"]}, 3),
        ({"quantity__range": (Decimal("1.5"), 3)}, 2),
        ({"quantity": F("credit_quantity")}, 1),
        ({"quantity__gt": F("credit_quantity")}, 5),
        ({"quantity__lt": F("net_quantity")}, 1),
        ({"net_quantity": F("credit_quantity")}, 7),
        ({"net_quantity__gte": 0}, 7),
    ]
    for quantity in (-1, 0, 1, 2, 3, Decimal("10.5"), 100):
        position(quantity)

    assert [(conditions, count(**conditions)) for conditions, _ in expected] == expected


def test_rows_are_ordered_as_numbers() -> None:
    for quantity in (100, Decimal("-2.5"), 9, Decimal("10.5")):
        position(quantity)

    ordered = RealPosition.objects.order_by("quantity").values_list("quantity", flat=True)

    assert [str(each.normalize()) for each in ordered] == ["-2.5", "9", "10.5", "1E+2"]


def test_sums_and_extremes_are_exact() -> None:
    for units in (1, 2, 3):
        position(Decimal("0.1") * units, realised_pnl=Decimal("-0.000001") * units)

    assert RealPosition.objects.aggregate(
        total=Sum("quantity"),
        largest=Max("quantity"),
        smallest=Min("realised_pnl"),
        lost=Sum("realised_pnl"),
        rest=Sum(F("quantity") - F("credit_quantity"), output_field=quantity_field()),
        none=Sum("average_price"),
        nothing=Coalesce(Sum("average_price"), Value(Decimal(0), output_field=price_field())),
    ) == {
        "total": Decimal("0.6"),
        "largest": Decimal("0.3"),
        "smallest": Decimal("-0.000003"),
        "lost": Decimal("-0.000006"),
        "rest": Decimal("0.6"),
        "none": None,
        "nothing": Decimal(0),
    }


def test_a_sum_has_the_scale_of_its_column() -> None:
    position(Decimal("0.5"))

    assert str(RealPosition.objects.aggregate(total=Sum("quantity"))["total"]) == "0.5000000000"


def test_grouped_sums_can_be_compared() -> None:
    for symbol, quantity in (("A", 1), ("A", Decimal("1.5")), ("B", 2)):
        position(quantity, symbol=symbol)

    totals = RealPosition.objects.values("symbol").annotate(total=Sum("quantity")).filter(total__gt=2)

    assert list(totals.values_list("symbol", "total")) == [("A", Decimal("2.5"))]


def test_a_column_is_worked_out_within_one_scale() -> None:
    row = position(10, credit_quantity=Decimal("2.5"))
    RealPosition.objects.update(quantity=F("quantity") + F("credit_quantity"))
    RealPosition.objects.update(quantity=F("quantity") - Value(Decimal("0.5"), output_field=quantity_field()))

    assert read(row) == 12


def test_expressions_and_subqueries_hand_out_decimals() -> None:
    row = position(10, credit_quantity=Decimal("2.5"))
    inner = RealPosition.objects.filter(pk=OuterRef("pk")).values("credit_quantity")
    sign = Case(
        When(quantity__gt=5, then=F("credit_quantity")), default=Value(Decimal(0), output_field=quantity_field())
    )
    difference = ExpressionWrapper(F("quantity") - F("credit_quantity"), output_field=quantity_field())

    found = RealPosition.objects.annotate(difference=difference, chosen=sign, inner=Subquery(inner))

    assert list(found.values_list("pk", "difference", "chosen", "inner")) == [
        (row.pk, Decimal("7.5"), Decimal("2.5"), Decimal("2.5"))
    ]
    assert found.filter(difference=Decimal("7.5"), inner__lt=F("quantity")).count() == 1


@pytest.mark.parametrize(
    ("credit", "debit", "net_quantity", "net_price"),
    [
        ("10", "2.5", "7.5000000000", "100.12500000"),
        ("2.5", "10", "-7.5000000000", "99.87500000"),
        ("10", "10", "0E-10", "0E-8"),
        ("0", "0", "0E-10", "0E-8"),
    ],
)
def test_the_net_columns_are_worked_out_by_the_database(
    credit: str, debit: str, net_quantity: str, net_price: str
) -> None:
    row = position(
        credit_quantity=Decimal(credit),
        debit_quantity=Decimal(debit),
        credit_price=Decimal("100.125"),
        debit_price=Decimal("99.875"),
    )
    row.refresh_from_db()

    assert (str(row.net_quantity), str(row.net_price)) == (net_quantity, net_price)
    assert count(net_quantity=Decimal(credit) - Decimal(debit), net_price=Decimal(net_price)) == 1


def test_the_net_columns_are_there_as_soon_as_the_row_is_written() -> None:
    assert position(credit_quantity=Decimal("2.5")).net_quantity == Decimal("2.5")


def test_an_expression_whose_scale_is_not_plain_is_refused() -> None:
    position(1)
    queries: list[Callable[[], object]] = [
        lambda: count(quantity__gt=F("credit_price")),
        lambda: count(net_quantity=F("net_price")),
        lambda: count(quantity=Value(Decimal(1))),
        lambda: list(RealPosition.objects.annotate(value=F("quantity") * F("credit_price"))),
        lambda: list(RealPosition.objects.annotate(value=F("quantity") - F("credit_quantity"))),
        lambda: RealPosition.objects.aggregate(total=Coalesce(Sum("quantity"), Decimal(0))),
    ]

    for query in queries:
        with pytest.raises(FieldError):
            query()


def test_sqlite_refuses_what_has_left_the_range_of_exact_numbers() -> None:
    """SQLite would go on in floats without a word."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has decimals of its own")
    position(Decimal("900000000"))
    for statement in ("quantity = 1.5", "quantity = 'x'", "quantity = quantity + quantity"):
        with pytest.raises(IntegrityError, match="CHECK constraint failed"), transaction.atomic():
            connection.cursor().execute(f"UPDATE real_positions SET {statement}")

    with pytest.raises(ValueError, match="is not exact"):
        list(RealPosition.objects.annotate(double=ExpressionWrapper(F("quantity") + F("quantity"), quantity_field())))


def test_both_databases_have_the_column_that_was_decided() -> None:
    types = [field.db_type(connection) for field in fields()]
    decided = ["numeric(24, 10)", "numeric(20, 8)", "numeric(20, 6)", "numeric(12, 4)"]

    assert types == (["bigint"] * 4 if connection.vendor == "sqlite" else decided)


def test_many_rows_at_once_are_written_exactly() -> None:
    rows = [new_row(RealPosition, quantity=Decimal(n).scaleb(-10)) for n in range(50)]
    RealPosition.objects.bulk_create(rows)
    for row in rows:
        row.quantity += 1
    RealPosition.objects.bulk_update(rows, ["quantity"])

    assert RealPosition.objects.aggregate(total=Sum("quantity"))["total"] == 50 + Decimal(1225).scaleb(-10)


def test_other_tables_keep_percent_and_prices_alike() -> None:
    new_row(PortfolioSnapshot, day_change_percent=Decimal("-1.23455"), day_change=Decimal("0.0000005")).save()
    new_row(Price, price=Decimal("801.78125")).save()

    assert PortfolioSnapshot.objects.values_list("day_change_percent", "day_change").get() == (
        Decimal("-1.2346"),
        Decimal(0),
    )
    assert str(Price.objects.get().price) == "801.78125000"


def test_a_row_is_serialised_and_read_back_without_loss() -> None:
    row = position(Decimal("922337203.6854775807"))
    row.refresh_from_db()

    for form in ("json", "xml"):
        (again,) = serializers.deserialize(form, serializers.serialize(form, [row]))
        assert again.object == row
        assert again.object.__dict__["quantity"] == Decimal("922337203.6854775807")


def test_a_migration_writes_the_field_down_and_reads_it_back() -> None:
    field = price_field(null=True)
    name, path, arguments, options = field.deconstruct()

    assert (path, arguments) == ("portfolio.models.fields.ExactDecimalField", [])
    assert options == {"null": True, "scale": 8, "digits": 20}
    assert ExactDecimalField(*arguments, **options).deconstruct() == (name, path, arguments, options)
    assert MigrationWriter.serialize(field)[0].startswith("portfolio.models.fields.ExactDecimalField(")


def test_a_form_takes_what_the_column_can_hold() -> None:
    form = price_field().formfield()

    assert form.clean("801.78125") == Decimal("801.78125")
    for wrong in ("1.123456789", "NaN", "1e30", "x"):
        with pytest.raises(ValidationError):
            form.clean(wrong)
