"""Which records of dropped bodies stand for an act: those that its page seals. Whoever may append can write others."""

from uuid import UUID

from django.db.models import F, QuerySet

from ..models import DroppedBody, SyncBatch
from ..sync.amend import RETENTION
from . import pages
from .stretch import Stretch
from .verified import Verified


def sealing(records: QuerySet[DroppedBody]) -> set[UUID]:
    """The batches of these records that are acts, every row of them as it was sealed and none beside those."""
    acts = SyncBatch.objects.filter(
        pk__among=list(records.order_by().values_list("batch", flat=True).distinct()),
        sync_type=RETENTION,
        page__head=F("broker_account__head"),
        page__number__range=(1, F("broker_account__head__page_number")),  # what lies beyond can have been put there
    )
    return {act for act in acts.values_list("pk", flat=True) if _is_as_sealed(act)}


def _is_as_sealed(batch: UUID) -> bool:
    return not any(pages.judge(Stretch(batches=(str(batch),)), {}, Verified()))
