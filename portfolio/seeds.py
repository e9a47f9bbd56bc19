"""What a fresh database needs before the first account: brokers, schedules, the installation's head, the guards."""

from datetime import time
from typing import Any

from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from . import guards
from .models import AccountHead, BrokerType, Schedule, ScheduledLook

BROKERS = {
    "ANGELONE": "Angel One",
    "DHAN": "Dhan",
    "GROWW": "Groww",
    "INDMONEY": "INDmoney",
    "SAMPLE": "Sample broker",
    "UPSTOX": "Upstox",
    "VESTED": "Vested",
    "ZERODHA": "Zerodha",
}

DAILY, HOLDINGS_LOOK = "DAILY_PORTFOLIO", "HOLDINGS_LOOK"
# 16:00 is when the first look is worth it; brokers settle their books later, so the one at 19:00 confirms it.
EVENING: list[dict[str, Any]] = [
    {"at": time(8, 30), "kind": HOLDINGS_LOOK, "unattended_only": True},
    {"at": time(16), "kind": DAILY},
    {"at": time(19), "kind": DAILY},
]
# Commodities trade until minutes before midnight, on nearly every weekday.
LAST_SWEEP: dict[str, Any] = {"at": time(23, 57), "kind": DAILY, "days": "every_day", "weekdays": "12345"}
SCHEDULES = {
    "default": ("Every evening", EVENING),
    "commodities": ("Every evening, and after the commodities close", [*EVENING, LAST_SWEEP]),
}


def after_migrate(using: str, **_: Any) -> None:
    """Runs after every migration: puts the guards back and, once the database is at the newest version, fills in what
    is missing. Changes nothing else."""
    guards.install(connections[using])
    if _is_at_the_newest(using):
        _fill_in(using)


def _is_at_the_newest(using: str) -> bool:
    """The models know the tables of the newest version alone."""
    executor = MigrationExecutor(connections[using])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes("portfolio"))


def _fill_in(using: str) -> None:
    for code, name in BROKERS.items():
        BrokerType.objects.using(using).get_or_create(code=code, defaults={"name": name})
    if not AccountHead.objects.using(using).filter(account=None).exists():
        AccountHead.objects.using(using).create()
    with transaction.atomic(using=using):
        if not Schedule.objects.using(using).filter(code=Schedule.DEFAULT).exists():
            _begin_schedules(using)  # and not again: what an operator takes away later stays away


def _begin_schedules(using: str) -> None:
    for code, (name, looks) in SCHEDULES.items():
        schedule, is_new = Schedule.objects.using(using).get_or_create(code=code, defaults={"name": name})
        if is_new:
            ScheduledLook.objects.using(using).bulk_create(ScheduledLook(schedule=schedule, **look) for look in looks)
