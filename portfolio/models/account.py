"""One client account at one broker, its head, and its keys."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .. import clock
from .base import ChangedAt, Keyed
from .people import Portfolio, User


class BrokerType(models.Model):
    """A broker that Khata knows; `code` is what triggers register under.

    `instruments_taken_at`: when its instrument file was last taken whole. `instruments_asked_at`: it is not asked for
    within an hour of this; see `sync.master`.
    While `failing_since` is set, no account of it is asked before `probe_at`, and then one: see `ledger.breaker`.
    `failed_accounts` is a JSON list of those that failed one after the other.
    """

    code = models.CharField(max_length=50, primary_key=True)
    name = models.CharField(max_length=100)
    instruments_asked_at = models.DateTimeField(null=True)
    instruments_taken_at = models.DateTimeField(null=True)
    failed_accounts = models.TextField(default="[]", editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    failing_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    probe_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "broker_types"

    def __str__(self) -> str:
        return self.name


class BrokerAccountQuerySet(models.QuerySet["BrokerAccount"]):
    def askable(self) -> "BrokerAccountQuerySet":
        """Accounts that a sync may touch: enabled, and in an active portfolio."""
        return self.filter(portfolio__active=True).exclude(state=BrokerAccount.State.DISABLED)

    def to_sync(self, simulated: bool = False) -> "BrokerAccountQuerySet":
        """The same; the demo's are for the demo alone."""
        return self.askable().filter(portfolio__simulated=simulated)


class BrokerAccount(Keyed):
    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        NEEDS_LOGIN = "needs_login", "Needs your login"
        FAILING = "failing", "Failing"
        DISABLED = "disabled", "Disabled"

    user = models.ForeignKey(User, models.PROTECT, related_name="broker_accounts")
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="broker_accounts")
    broker = models.ForeignKey(BrokerType, models.PROTECT, db_column="broker_name", related_name="accounts")
    account_id = models.CharField(max_length=100, help_text="The client id at the broker")
    label = models.CharField(max_length=100, blank=True)
    schedule = models.ForeignKey(
        "portfolio.Schedule", models.PROTECT, null=True, blank=True, related_name="accounts", db_index=False
    )
    state = models.CharField(max_length=20, choices=State, default=State.ACTIVE)
    state_since = models.DateTimeField()
    state_reason = models.CharField(max_length=500, blank=True)
    token_expires_at = models.DateTimeField(null=True, blank=True)
    legal_hold_since = models.DateTimeField(null=True, blank=True, editable=False)
    is_active = models.GeneratedField(
        expression=~Q(state="disabled"),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = ChangedAt()

    objects = BrokerAccountQuerySet.as_manager()

    class Meta:
        db_table = "broker_accounts"
        constraints = [
            models.UniqueConstraint(fields=["user", "broker", "account_id"], name="account_once_a_user"),
            models.CheckConstraint(
                condition=Q(state__in=["active", "needs_login", "failing", "disabled"]), name="account_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker_id} {self.label or self.account_id}"

    @property
    def login_command(self) -> str:
        """What its owner types to log in."""
        return f"manage.py connect {self.broker_id.lower()} --account {self.pk}"


class AccountHead(Keyed):
    """The one row of an account that every writer of its book takes. The row without an account is the
    installation's own chain (shared prices), and its id names the installation; its lease is the sealer's.

    Looks that are due up to `owed_until` have their slots; it is null exactly while nothing is owed, since the account
    is disabled or its portfolio switched off. `asked_since`: when that ended last. Pages up to `placed_number` have
    their place in the tree. Before `pause_until` the broker wants not to be asked for this account. `reminded_on`: the
    last reminder to log in.
    """

    account = models.OneToOneField(BrokerAccount, models.PROTECT, null=True, related_name="head")
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    token = models.BigIntegerField(default=0)
    page_number = models.BigIntegerField(default=0)
    page_hash = models.BinaryField(max_length=32, default=bytes(32))
    placed_number = models.BigIntegerField(default=0)
    event_number = models.BigIntegerField(default=0)
    question_number = models.BigIntegerField(default=0)
    opened_on = models.DateField(null=True)
    holdings_day = models.DateField(null=True)
    sells_lower_holdings = models.BooleanField(null=True)
    owed_until = models.DateTimeField(null=True, db_index=True)
    asked_since = models.DateTimeField(null=True)
    pause_until = models.DateTimeField(null=True)
    reminded_on = models.DateField(null=True)

    class Meta:
        db_table = "account_heads"

    def __str__(self) -> str:
        return f"Head of {self.account}" if self.account_id else "Head of the installation"

    @staticmethod
    def lease_is_free() -> Q:
        return Q(lease_until__isnull=True) | Q(lease_until__lt=Now())


class AccountMemory(models.Model):
    """What an account remembers of the sections that were accepted last: JSON, see `sync.capture.Memory`. Written under
    the lock of the head, and apart from it: a head moves with every look, this with news alone.
    """

    head = models.OneToOneField(AccountHead, models.PROTECT, primary_key=True, related_name="memory")
    content = models.TextField(default="{}")

    class Meta:
        db_table = "account_memories"
        verbose_name_plural = "account memories"

    def __str__(self) -> str:
        return f"Memory of {self.head.account}"


class BrokerAccountCredential(models.Model):
    """Sealed under a key that is kept elsewhere; unreadable without it. The plain text is never a column.

    `entered_at`: when its owner gave it; `updated_at` also tells of a new key around it."""

    account = models.OneToOneField(BrokerAccount, models.PROTECT, primary_key=True, related_name="credential")
    encrypted = models.GeneratedField(
        expression=models.Value(True), output_field=models.BooleanField(), db_persist=True
    )
    login_method = models.CharField(max_length=30)
    sealed = models.BinaryField()
    sealed_token = models.BinaryField(null=True)
    entered_at = models.DateTimeField()
    updated_at = ChangedAt()

    class Meta:
        db_table = "broker_account_credentials"

    def __str__(self) -> str:
        return f"Login of {self.account}"


class AccountKey(models.Model):
    """The wrapped evidence key: raw replies are read and recognised with it. Destroying it erases the person."""

    account = models.OneToOneField(BrokerAccount, models.PROTECT, primary_key=True, related_name="key")
    wrapped = models.BinaryField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "account_keys"

    def __str__(self) -> str:
        return f"Key of {self.account}"
