"""Read-only tables, and how their values look to a person.

A column of bytes is shown only when it is a digest, in hex: what is sealed, wrapped or encrypted is never read.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import BinaryField, BooleanField, Field, Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from ledger.normalise import MONEY_SCALE, PRICE_SCALE

from ..models.fields import ExactDecimalField

DIGESTS = frozenset(
    {
        "body_digest",
        "words_digest",
        "ciphertext_digest",
        "hash",
        "header_digest",
        "leaf",
        "nodes",
        "page_hash",
        "previous_hash",
        "root",
    }
)
TITLES = {"id": "ID", "isin": "ISIN"}
NOTHING = "-"
SEAL = ("id", "batch", "detected_at", "leaf")  # what every row of the book has, shown last

Shown = str | Callable[[Any], Any]

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Model]
else:
    _ModelAdmin = admin.ModelAdmin


class ReadOnly(_ModelAdmin):
    """A table that nobody changes here: no form, no button, no action.

    `also` names methods that say more than a column; `hidden` names columns that they stand for.
    """

    actions = None
    show_full_result_count = False  # a second count of a million rows
    ordering = ("-pk",)  # keys begin with their time: the newest first
    also: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    class Media:
        css = {"all": ["khata/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        """Sealed and encrypted columns do not even leave the database."""
        return super().get_queryset(request).defer(*(f.name for f in self.model._meta.concrete_fields if is_sealed(f)))

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = {field.name: field for field in self.model._meta.concrete_fields}
        return [shown(columns[name]) if name in columns else name for name in self.list_display]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        columns = {field.name: shown(field) for field in self.model._meta.concrete_fields if not is_sealed(field)}
        last = [columns.pop(name) for name in SEAL if name in columns]
        first = [*self.also, *(column for name, column in columns.items() if name not in self.hidden)]
        seal = [("Seal", {"fields": last, "classes": ["collapse"]})] if last else []
        return [(None, {"fields": first}), *seal]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]


def is_sealed(field: "Field[Any, Any]") -> bool:
    return isinstance(field, BinaryField) and field.name not in DIGESTS


def shown(field: "Field[Any, Any]") -> Shown:
    """The column itself, or what shows it so that a person can read it."""
    kept: Any = getattr(field, "output_field", field)  # of a generated column
    if isinstance(kept, ExactDecimalField):
        return _column(field, "figure", lambda value: figure(value, kept.scale))
    if isinstance(kept, BooleanField):  # a red cross would say that something is wrong
        return _column(field, "text", lambda value: "yes" if value else "no")
    if isinstance(field, BinaryField):
        return _column(field, "digest", lambda value: format_html("<code>{}</code>", bytes(value).hex()))
    return _column(field, "text", str) if field.name in TITLES else field.name


def _column(field: "Field[Any, Any]", kind: str, text: Callable[[Any], str]) -> Callable[[Model], str]:
    """The style sheet knows the column by the name of this function."""

    def column(row: Model) -> str:
        value = getattr(row, field.name)
        return NOTHING if value is None else text(value) or NOTHING

    column.__name__ = f"{field.name}_{kind}"
    title = TITLES.get(field.name, field.verbose_name)
    return admin.display(description=title, ordering=field.name)(column)


def figure(value: Decimal, scale: int) -> str:
    """Every digit that says something, with commas; money and prices have two decimals at least."""
    text = f"{value:,.{scale}f}".rstrip("0").rstrip(".")
    if scale not in (MONEY_SCALE, PRICE_SCALE):
        return text
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def read_only(
    *models: type[Model],
    list_display: Iterable[str],
    list_filter: Iterable[Any] = (),
    search_fields: Iterable[str] = (),
    date_hierarchy: str | None = None,
    list_select_related: Iterable[str] = (),
    **more: Any,
) -> None:
    """Registers tables that need nothing but a list and a page."""
    options = {
        "list_display": tuple(list_display),
        "list_filter": tuple(list_filter),
        "search_fields": tuple(search_fields),
        "date_hierarchy": date_hierarchy,
        "list_select_related": tuple(list_select_related) or False,
    }
    for model in models:
        admin.site.register(model, type(f"{model.__name__}Admin", (ReadOnly,), {**options, **more}))
