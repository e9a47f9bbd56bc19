"""What a fresh database needs before the first account: brokers, the installation's head, the guards."""

from typing import Any

from django.db import connections

from . import guards
from .models import AccountHead, BrokerType

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


def after_migrate(using: str, **_: Any) -> None:
    """Runs after every migration: puts the guards back and fills in what is missing. Changes nothing else."""
    guards.install(connections[using])
    for code, name in BROKERS.items():
        BrokerType.objects.using(using).get_or_create(code=code, defaults={"name": name})
    if not AccountHead.objects.using(using).filter(account=None).exists():
        AccountHead.objects.using(using).create()
