"""Which pages a verification looks at: all, those of one account, or those since a day. Judges nothing."""

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import NamedTuple

from django.db.models import F, Min, Q, QuerySet, Window

from ledger.normalise import IST

from ..models import AccountHead, LedgerPage
from .stretch import Stretch

ROWS_A_PAGE = 2  # what a page costs besides its rows
ROWS_A_STRETCH = 20_000


class Scope(NamedTuple):
    account: AccountHead | None = None
    since: date | None = None

    @property
    def is_whole(self) -> bool:
        return self == (None, None)

    def pages(self) -> QuerySet[LedgerPage]:
        pages = LedgerPage.objects.all()
        if self.account:
            pages = pages.filter(head=self.account)
        if self.since:
            # Numbers follow the closing: what was begun earlier can stand after the first that began since.
            begun = Q(batch__started_at__gte=datetime.combine(self.since, time(), IST))
            first = Window(Min("number", filter=begun), partition_by="head_id")
            pages = LedgerPage.objects.filter(
                pk__in=pages.alias(first=first).filter(number__gte=F("first")).values("pk")
            )
        return pages

    def stretches(self) -> Iterator[Stretch]:
        """Of the whole book every row is in one of them, also one that no page knows."""
        batches: list[str] = []
        rows, after = 0, None
        for batch_id, count in self.pages().order_by("batch_id").values_list("batch_id", "entries_count").iterator():
            batches.append(str(batch_id))
            rows += max(count, 0) + ROWS_A_PAGE
            if rows >= ROWS_A_STRETCH:
                yield Stretch(after, batches[-1]) if self.is_whole else Stretch(batches=tuple(batches))
                after, rows, batches = batches[-1], 0, []
        yield Stretch(after) if self.is_whole else Stretch(batches=tuple(batches))
