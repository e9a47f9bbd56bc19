"""Who uses Khata, and the named sets of accounts they keep."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from .. import clock
from .base import Keyed


class User(AbstractUser):
    id = Keyed._meta.get_field("id").clone()
    date_joined = models.DateTimeField("date joined", default=clock.now)

    class Meta:
        db_table = "users"


class Portfolio(Keyed):
    """A named set of broker accounts of one user. The accounts of an inactive one are not synced.

    A `simulated` one is the demo's: its brokers are simulators and so is its time. Nothing but the demo syncs it."""

    user = models.ForeignKey(User, models.PROTECT, related_name="portfolios")
    name = models.CharField(max_length=100)
    base_currency = models.CharField(max_length=3, default="INR")
    active = models.BooleanField(default=True)
    simulated = models.BooleanField(default=False, editable=False)
    shared_with = models.ManyToManyField(User, related_name="shared_portfolios", blank=True, help_text="Read only")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        db_table = "portfolios"
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="portfolio_name_once_a_user")]

    def __str__(self) -> str:
        return self.name
