"""What every table shares: keys, text of a broker, and the two kinds of rows."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import clock
from ..ids import new_uuid


class BrokerText(models.CharField):  # type: ignore[type-arg]
    """Text that a broker controls. Both databases check its length; SQLite would not by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 64)
        super().__init__(*args, **kwargs)

    def db_check(self, connection: BaseDatabaseWrapper) -> str | None:
        if connection.vendor != "sqlite":
            return None
        return f"length({connection.ops.quote_name(str(self.column))}) <= {self.max_length}"


class ChangedAt(models.DateTimeField):  # type: ignore[type-arg]
    """When the row was last saved, by Khata's clock. Whoever updates rows without saving them sets it too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "editable": False})

    def pre_save(self, row: models.Model, add: bool) -> Any:
        setattr(row, self.attname, clock.now())
        return super().pre_save(row, add)


class Keyed(models.Model):
    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)

    class Meta:
        abstract = True


class BookRow(Keyed):
    """A row of the book: written once by a batch, with its leaf; the database refuses any change."""

    guard = "append_only"

    batch = models.ForeignKey("portfolio.SyncBatch", models.PROTECT, db_column="sync_batch_id", related_name="+")
    detected_at = models.DateTimeField()
    leaf = models.BinaryField(max_length=32)

    class Meta:
        abstract = True


class InstrumentRow(BookRow):
    """A row of the book that names an instrument: also as it was observed, so that the leaf covers the name."""

    instrument = models.ForeignKey("portfolio.Instrument", models.PROTECT, related_name="+", db_index=False)
    isin = BrokerText(max_length=20, blank=True, default="")
    symbol = BrokerText()
    exchange = BrokerText(max_length=20, default="NSE")

    class Meta:
        abstract = True
