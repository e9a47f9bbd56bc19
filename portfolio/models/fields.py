"""The decimal column of the book: exact on both databases.

PostgreSQL keeps numeric(digits, scale). SQLite has no exact decimals, so there it is a 64-bit integer, the
value times 10**scale; that range binds both databases. Python only ever sees `Decimal`.
In expressions, add and subtract columns of one scale, and name the `output_field`. A number beside a column is
`Value(Decimal(1), output_field=quantity_field())`: a bare 1 would be the smallest unit on SQLite.
Never multiplies or divides in the database: the scale would be lost there.
"""

from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import BaseExpression
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual, Lookup

from ledger.errors import BadValue
from ledger.normalise import MONEY_SCALE, PERCENT_SCALE, PRICE_SCALE, QUANTITY_SCALE, at_scale

_CONTEXT = Context(prec=40)

_Read = TypeVar("_Read", Decimal, Decimal | None)

if TYPE_CHECKING:
    from django.db.models.expressions import Combinable

    class _Field(models.Field[_Read | int | str | Combinable, _Read]): ...

else:

    class _Field(models.Field):
        def __class_getitem__(cls, item: object) -> type:
            return cls


class ExactDecimalField(_Field[_Read]):
    """A decimal of at most `digits` digits, `scale` of them after the point, rounded half to even when written."""

    description = "Exact decimal"
    empty_strings_allowed = False

    def __init__(self, *args: Any, scale: int, digits: int, **options: Any) -> None:
        self.scale, self.digits = scale, digits
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "scale": self.scale, "digits": self.digits}

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "bigint" if connection.vendor == "sqlite" else f"numeric({self.digits}, {self.scale})"

    def db_check(self, connection: BaseDatabaseWrapper) -> str | None:
        """SQLite turns an integer that overflows into a float without a word, and PostgreSQL's numeric takes NaN:
        the column refuses both."""
        column = getattr(self, "column", None)
        if column is None:
            return None
        name = connection.ops.quote_name(column)
        return f"typeof({name}) IN ('integer', 'null')" if connection.vendor == "sqlite" else f"{name} <> 'NaN'"

    def exact(self, value: Any) -> Decimal:
        """`value` at this scale. ValueError for what cannot be kept exactly: a float, NaN, a number too large."""
        if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
            raise ValueError(f"{self.name}: a decimal is wanted, not {type(value).__name__} {value!r}")
        try:
            return at_scale(value if isinstance(value, Decimal) else Decimal(value), self.scale)
        except InvalidOperation:
            raise ValueError(f"{self.name}: {value!r} is not a number") from None
        except BadValue as error:
            raise ValueError(f"{self.name}: {error}") from None

    def to_python(self, value: Any) -> Decimal | None:
        if value is None:
            return None
        try:
            return self.exact(value)
        except ValueError as error:
            raise ValidationError(str(error), code="invalid") from None

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value if value is None or hasattr(value, "resolve_expression") else self.exact(value)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        value = super().get_db_prep_value(value, connection, prepared)
        if connection.vendor != "sqlite" or not isinstance(value, Decimal):
            return value
        return int(value.scaleb(self.scale, _CONTEXT))

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Callable[..., Any]]:
        """PostgreSQL hands out decimals at this scale already."""
        return [self.from_db_value] if connection.vendor == "sqlite" else []

    def from_db_value(self, value: Any, expression: BaseExpression, connection: BaseDatabaseWrapper) -> Decimal | None:
        if value is None:
            return None
        if type(value) is not int:
            raise ValueError(f"{self.name or expression}: {value!r} is not exact; it left the range of 64 bits")
        return Decimal(value).scaleb(-self.scale, _CONTEXT)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else f"{value:f}"

    def formfield(self, **options: Any) -> Any:
        wanted = {"form_class": forms.DecimalField, "max_digits": self.digits, "decimal_places": self.scale}
        return super().formfield(**{**wanted, **options})


class _SameScale(Lookup):
    """Columns of two scales are different integers on SQLite: such a comparison is refused on both databases."""

    def get_prep_lookup(self) -> Any:
        scale = _scale_of(self.lhs)
        if isinstance(self.rhs, BaseExpression) and _scale_of(self.rhs) != scale:
            raise FieldError(f"a decimal of scale {scale} is compared with {self.rhs}, which has another scale")
        return super().get_prep_lookup()


def _scale_of(expression: Any) -> int | None:
    return getattr(expression.output_field, "scale", None)


for _lookup in (Exact, GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual):
    ExactDecimalField.register_lookup(type(f"SameScale{_lookup.__name__}", (_SameScale, _lookup), {}))


class _Kind:
    """Makes the columns of one kind of figure: one place for its scale and digits."""

    def __init__(self, digits: int, scale: int) -> None:
        self.digits, self.scale = digits, scale

    @overload
    def __call__(self, *args: Any, null: Literal[True], **options: Any) -> ExactDecimalField[Decimal | None]: ...

    @overload
    def __call__(self, *args: Any, **options: Any) -> ExactDecimalField[Decimal]: ...

    def __call__(self, *args: Any, **options: Any) -> Any:
        return ExactDecimalField(*args, scale=self.scale, digits=self.digits, **options)


quantity_field = _Kind(24, QUANTITY_SCALE)
price_field = _Kind(20, PRICE_SCALE)
money_field = _Kind(20, MONEY_SCALE)
percent_field = _Kind(12, PERCENT_SCALE)
