"""Seeds that run again over a database in use: nothing that was changed is changed back, and nothing comes twice."""

from datetime import time
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command

from portfolio.models import BrokerType, Schedule, ScheduledLook
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database


def every_row() -> dict[str, list[dict[str, Any]]]:
    """Of each table."""
    models = apps.get_app_config("portfolio").get_models()
    return {model._meta.db_table: list(model._default_manager.order_by("pk").values()) for model in models}


def test_migrating_again_changes_nothing_of_a_database_in_use(broker: Broker) -> None:
    broker.says["holdings"] = [build.a_holding()]
    build.synced(build.an_account("SCRIPTED"))
    BrokerType.objects.filter(code="GROWW").update(name="Groww, my first")
    Schedule.objects.filter(code="default").update(name="Late", retries_until=time(22))
    ScheduledLook.objects.filter(schedule="default", at=time(16)).delete()
    ScheduledLook.objects.filter(schedule="default", at=time(19)).update(at=time(20))
    ScheduledLook.objects.create(schedule_id="default", at=time(13), kind="ORDER_HISTORY")
    Schedule.objects.get(code="commodities").delete()
    before = every_row()
    call_command("migrate", verbosity=0)
    assert every_row() == before
    assert len(before["real_holdings"]) == 1
