"""Who uses Khata, and the accounts they connected. Credentials are entered with `manage.py connect` alone."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import Field, ForeignKey, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from .. import accounts, models
from ..clock import ClockError
from ..keys import KeyTrouble
from ..schedule.amendments import account_changed, portfolio_changed
from ..startup import NotReady
from ..sync.capture import DAILY
from ..sync.claim import accounts_to_sync
from ..sync.pipeline import sync
from ..sync.record import Result
from .reading import ReadOnly, read_only

if TYPE_CHECKING:
    _PortfolioAdmin = admin.ModelAdmin[models.Portfolio]
    _AccountAdmin = admin.ModelAdmin[models.BrokerAccount]
    _UserAdmin = UserAdmin[models.User]
else:
    _PortfolioAdmin = _AccountAdmin = admin.ModelAdmin
    _UserAdmin = UserAdmin

LEVELS = {"COMPLETED": messages.SUCCESS, "PARTIAL": messages.WARNING, "FAILED": messages.ERROR}


@admin.register(models.User)
class PersonAdmin(_UserAdmin):
    """Nobody is deleted here: what they did would lose its author. Take their `active` away instead."""

    ordering = ("username",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(models.Portfolio)
class PortfolioAdmin(_PortfolioAdmin):
    """Only an empty one can be deleted: its accounts hold it."""

    list_display = ("name", "user", "base_currency", "active", "created_at")
    list_filter = ("active", "base_currency")
    search_fields = ("name", "user__username")
    date_hierarchy = "created_at"
    list_select_related = ("user",)
    autocomplete_fields = ("user", "shared_with")

    def save_model(self, request: HttpRequest, obj: models.Portfolio, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "active" in form.changed_data:
            portfolio_changed(obj)


@admin.register(models.BrokerAccount)
class BrokerAccountAdmin(_AccountAdmin):
    """The label, the portfolio and the schedule can be changed; the rest is what the broker and the sync say."""

    list_display = ("__str__", "portfolio", "state", "state_since", "state_reason", "last_batch", "token_expires_at")
    list_filter = ("state", "broker", "portfolio__active")
    search_fields = ("account_id", "label", "user__username", "portfolio__name")
    date_hierarchy = "created_at"
    list_select_related = ("portfolio",)
    fields = ("portfolio", "label", "schedule", "user", "broker", "account_id", "state", "state_since", "state_reason",
              "last_batch", "login", "token_expires_at", "created_at", "updated_at", "id")  # fmt: skip
    readonly_fields = fields[3:]
    actions = ("sync_now", "disable", "enable")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.BrokerAccount]:
        newest = models.SyncBatch.objects.filter(broker_account=OuterRef("pk")).order_by("-pk")
        found = super().get_queryset(request)
        return found.annotate(
            last_status=Subquery(newest.values("status")[:1]), last_day=Subquery(newest.values("trading_day")[:1])
        )

    def formfield_for_foreignkey(self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **options: Any) -> Any:
        """An account stays with its user: only that user's portfolios are offered."""
        account = request.resolver_match.kwargs.get("object_id") if request.resolver_match else None
        if db_field.name == "portfolio" and account:
            options["queryset"] = models.Portfolio.objects.filter(user__broker_accounts=account)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: Any, **options: Any) -> Any:
        """Portfolios are changed and deleted on their own pages."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if db_field.name == "portfolio" and field is not None:
            field.widget.can_change_related = field.widget.can_delete_related = False
        return field

    def save_model(self, request: HttpRequest, obj: models.BrokerAccount, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if {"schedule", "portfolio"} & set(form.changed_data):
            account_changed(obj)

    @admin.display(description="last batch")
    def last_batch(self, account: Any) -> str | None:
        return f"{account.last_status}, {account.last_day}" if account.last_status else None

    @admin.display(description="login")
    def login(self, account: models.BrokerAccount) -> str:
        stored = models.BrokerAccountCredential.objects.filter(account=account).only("login_method").first()
        return f"{stored.login_method}, encrypted; change it with: manage.py connect" if stored else "none"

    @admin.action(description="Sync now", permissions=["change"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[models.BrokerAccount]) -> None:
        chosen = {str(account.pk): account for account in queryset}
        wanted = {str(account.pk) for account in accounts_to_sync(chosen)}
        try:
            results = sync(wanted, DAILY) if wanted else []
        except (NotReady, KeyTrouble, ClockError) as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        for result in results:
            self._tell(request, chosen[result.capture.account_id], result)
        done = {result.capture.account_id for result in results}
        for account_id in chosen.keys() - done:
            why = (
                "another run holds it"
                if account_id in wanted
                else "it is disabled, its portfolio is not active, or it is the demo's"
            )
            self.message_user(request, f"{chosen[account_id]}: not synced, {why}", messages.WARNING)

    def _tell(self, request: HttpRequest, account: models.BrokerAccount, result: Result) -> None:
        found = "; ".join(f"{p.section}: {p.message} ({p.next})" for p in result.capture.problems)
        self.message_user(request, f"{account}: {result.status}{found and '. '}{found}", LEVELS[result.status])
        self.log_change(request, account, f"Synced: {result.status}")

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[models.BrokerAccount]) -> None:
        for account in queryset:
            if accounts.disable(account, f"disabled by {request.user.get_username()}"):
                self.log_change(request, account, "Disabled")
                self.message_user(request, f"{account}: disabled; its book stays")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[models.BrokerAccount]) -> None:
        for account in queryset:
            if accounts.enable(account, f"enabled by {request.user.get_username()}"):
                self.log_change(request, account, "Enabled")
                self.message_user(request, f"{account}: enabled; the next sync takes it")
            elif account.key.destroyed_at:
                self.message_user(request, f"{account}: erased, so it stays disabled", messages.WARNING)


@admin.register(models.BrokerAccountCredential)
class CredentialAdmin(ReadOnly):
    """Says that there is a login and of which kind; nothing of it."""

    list_display = ("__str__", "login_method", "encrypted", "entered_at")
    list_filter = ("login_method", "account__broker")
    search_fields = ("account__account_id", "account__label")
    date_hierarchy = "entered_at"
    list_select_related = ("account",)


read_only(
    models.AccountKey,
    list_display=("__str__", "destroyed_at"),
    search_fields=("account__account_id", "account__label"),
    list_select_related=("account",),
)
read_only(
    models.BrokerType,
    list_display=("code", "name", "instruments_taken_at", "failing_since"),
    hidden=("failed_accounts",),
    search_fields=("code", "name"),
    ordering=("code",),
)
