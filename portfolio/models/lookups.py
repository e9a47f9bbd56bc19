"""`filter(column__among=values)`: like `in`, with all values as one parameter.

Thousands of placeholders would have to be written, sent and planned, and SQLite allows only so many.
"""

import json
from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BinaryField, Field, ForeignObject, UUIDField
from django.db.models.lookups import In

_read = UUIDField().to_python


@lru_cache(maxsize=65_536)  # a run asks for the same accounts again and again
def _uuid(text: str) -> str:
    """The text that a UUID has; ValidationError for what is none."""
    return str(_read(text))


@ForeignObject.register_lookup
@Field.register_lookup
class Among(In):
    lookup_name = "among"

    def get_prep_lookup(self) -> Any:
        if isinstance(self._field, UUIDField):
            return [_uuid(value) if isinstance(value, str) else value for value in self.rhs]
        return super().get_prep_lookup()

    @property
    def _field(self) -> Any:
        field = self.lhs.output_field
        return getattr(field, "target_field", field)

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        """An array as one text: the driver would look at every element on its own. A single value is given twice,
        since an array of one empty text would read as no element."""
        left, parameters = self.process_lhs(compiler, connection)
        cast = str(self.lhs.output_field.db_type(connection)).partition("(")[0]
        texts = [f"\\x{value.hex()}" if isinstance(value, bytes) else str(value) for value in self._values(connection)]
        return f"{left} = ANY(string_to_array(%s, E'\\x01')::{cast}[])", [
            *parameters,
            "\x01".join(texts if len(texts) > 1 else texts * 2),
        ]

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        if isinstance(self.lhs.output_field, BinaryField):  # JSON has no bytes
            sql, parameters = self.as_sql(compiler, connection)
            return sql, list(parameters)
        left, parameters = self.process_lhs(compiler, connection)
        return f"{left} IN (SELECT value FROM json_each(%s))", [*parameters, json.dumps(self._values(connection))]

    def _values(self, connection: BaseDatabaseWrapper) -> list[Any]:
        field = self._field
        if isinstance(field, BinaryField):
            return [bytes(value) for value in self.rhs]
        if isinstance(field, UUIDField):
            texts = [str(value) for value in self.rhs]
            is_native = connection.features.has_native_uuid_field
            return texts if is_native else [text.replace("-", "") for text in texts]
        return [field.get_db_prep_value(value, connection, prepared=True) for value in self.rhs]
