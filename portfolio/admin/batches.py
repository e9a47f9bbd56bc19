"""How each attempt ended, what it was based on, and the page that seals it."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from .. import models
from ..sync.capture import BESIDE, Memory
from .book import ACCOUNT, BROKER, BY_ACCOUNT
from .reading import ReadOnly, read_only

FOR_PROGRAMS = ("replies", "sections", "asked")  # of a batch's metadata: told otherwise, or places in a list
LONGEST = 140  # characters of trouble in a list


@admin.register(models.SyncBatch)
class SyncBatchAdmin(ReadOnly):
    list_display = ("status", "broker_account", "trading_day", "sync_type", "started_at", "fetched", "wrote", "trouble")
    list_filter = ("status", "sync_type", BROKER)
    search_fields = BY_ACCOUNT
    date_hierarchy = "started_at"
    list_select_related = ACCOUNT
    also = ("problems", "sections", "requests", "notes")
    hidden = ("error_details", "metadata")

    @admin.display(description="fetched")
    def fetched(self, batch: models.SyncBatch) -> str:
        return counted(holdings=batch.holdings_fetched, positions=batch.positions_fetched, orders=batch.orders_fetched)

    @admin.display(description="changed")
    def wrote(self, batch: models.SyncBatch) -> str:
        return counted(
            holdings=batch.holdings_updated, positions=batch.positions_updated, new_orders=batch.orders_created,
            order_changes=batch.quantity_changes_detected, prices=int(json.loads(batch.metadata).get("prices", 0)),
        )  # fmt: skip

    @admin.display(description="what went wrong")
    def trouble(self, batch: models.SyncBatch) -> str:
        text = "; ".join(f"{problem['section']}: {problem['message']}" for problem in json.loads(batch.error_details))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."

    @admin.display(description="what went wrong")
    def problems(self, batch: models.SyncBatch) -> str:
        found = json.loads(batch.error_details)
        lines = ((p["section"], p["message"], p["next"]) for p in found)
        return format_html_join("", "<p><b>{}</b>: {}<br>What to do: {}</p>", lines) if found else "nothing"

    @admin.display(description="how each section ended")
    def sections(self, batch: models.SyncBatch) -> str:
        ended = json.loads(batch.metadata).get("sections", {})
        return ", ".join(f"{name} {state}" for name, state in ended.items()) or "none was asked"

    @admin.display(description="what was asked")
    def requests(self, batch: models.SyncBatch) -> str:
        """Bodies stand encrypted in the raw bodies; here only what was asked and how it was answered."""
        asked = json.loads(batch.metadata).get("replies", [])
        lines = ((request, status, took_ms) for request, status, _, took_ms, _ in asked)
        return format_html_join("", "<div><code>{}</code> {}, {} ms</div>", lines) if asked else "nothing"

    @admin.display(description="notes")
    def notes(self, batch: models.SyncBatch) -> str:
        """What else the batch kept, such as why a section is absent."""
        kept = {name: value for name, value in json.loads(batch.metadata).items() if name not in FOR_PROGRAMS}
        return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in kept.items()) or "none"


def counted(**counts: int) -> str:
    """In words, what there is any of."""
    words = (
        f"{count} {name.replace('_', ' ').removesuffix('s' * (count == 1))}" for name, count in counts.items() if count
    )
    return ", ".join(words) or "nothing"


@admin.register(models.Event)
class EventAdmin(ReadOnly):
    list_display = ("kind", "broker_account", "number", "created_at", "batch", "position")
    list_filter = ("kind", BROKER)
    search_fields = BY_ACCOUNT
    date_hierarchy = "created_at"
    list_select_related = ("broker_account", "batch")
    also = ("facts",)
    hidden = ("payload",)

    @admin.display(description="facts")
    def facts(self, event: models.Event) -> str:
        text = json.dumps(json.loads(event.payload), indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)


@admin.register(models.AccountHead)
class AccountHeadAdmin(ReadOnly):
    list_display = ("__str__", "page_number", "opened_on", "holdings_day", "token", "lease_until", "question_number")
    search_fields = ("account__account_id", "account__label")
    list_select_related = ("account",)


@admin.register(models.AccountMemory)
class AccountMemoryAdmin(ReadOnly):
    list_display = ("__str__", "sections")
    search_fields = ("head__account__account_id", "head__account__label")
    list_select_related = ("head__account",)
    also = ("sections",)
    hidden = ("content",)

    @admin.display(description="sections remembered")
    def sections(self, memory: models.AccountMemory) -> str:
        """Those whose answers are recognised when they come again."""
        return ", ".join(sorted(Memory.read(memory.content).seen.keys() - {BESIDE})) or "none"


@admin.register(models.RawBody)
class RawBodyAdmin(ReadOnly):
    list_display = ("reply", "account", "kept_at")
    search_fields = ("reply__broker_account__account_id", "reply__broker_account__label", "reply__request")
    list_select_related = ("reply__broker_account",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("reply__broker_account")

    @admin.display(description="broker account")
    def account(self, body: models.RawBody) -> str:
        return str(body.reply.broker_account)

    @admin.display(description="kept at", ordering="reply__detected_at")
    def kept_at(self, body: models.RawBody) -> Any:
        return body.reply.detected_at


read_only(
    models.RawReply,
    list_display=("request", "broker_account", "status", "fetched_at", "size", "batch"),
    list_filter=("status", BROKER),
    search_fields=("request", *BY_ACCOUNT),
    date_hierarchy="fetched_at",
    list_select_related=("broker_account", "batch"),
)
read_only(
    models.DroppedBody,
    list_display=("reply", "broker_account", "detected_at", "batch"),
    list_filter=(BROKER,),
    search_fields=("reply__request", *BY_ACCOUNT),
    date_hierarchy="detected_at",
    list_select_related=("reply", "broker_account", "batch"),
)
read_only(
    models.LedgerPage,
    list_display=("__str__", "head", "entries_count", "batch", "hash"),
    search_fields=("head__account__account_id", "head__account__label"),
    list_select_related=("head__account", "batch"),
)
read_only(
    models.LedgerTree,
    list_display=("position", "page__head", "page", "placed_at"),
    list_select_related=("page__head__account",),
    date_hierarchy="placed_at",
    ordering=("-position",),
)
read_only(
    models.Checkpoint,
    list_display=("size", "signed_at"),
    date_hierarchy="signed_at",
    ordering=("-size",),
)
