"""The admin site: the tables of Khata in groups, by what a person looks for."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

GROUPS = {
    "Accounts": ("BrokerAccount", "Portfolio", "User", "BrokerAccountCredential", "BrokerType"),
    "What stands now": ("RealHolding", "RealPosition"),
    "The book": (
        "PortfolioSnapshot",
        "OrderVersion",
        "OrderQuantityChange",
        "Transaction",
        "HoldingVersion",
        "HoldingChange",
        "ChangeExplanation",
        "PositionVersion",
        "FundsVersion",
        "Price",
        "Act",
    ),
    "When": ("SyncSlot", "Schedule", "ScheduledLook", "CalendarDay", "SessionHours"),
    "How it was captured": (
        "SyncBatch",
        "LedgerPage",
        "LedgerTree",
        "Checkpoint",
        "RawReply",
        "RawBody",
        "DroppedBody",
        "ActWords",
        "Event",
        "AccountHead",
        "AccountMemory",
        "AccountKey",
    ),
    "Instruments": ("Instrument", "Listing", "InstrumentLink"),
}


class KhataSite(AdminSite):
    site_header = site_title = "Khata"
    index_title = "What the brokers said, and what was written down"
    enable_nav_sidebar = False  # the lists need the width

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        ours = [grouped for app in apps if app["app_label"] == "portfolio" for grouped in _in_groups(app)]
        return ours + [app for app in apps if app["app_label"] != "portfolio"]


def _in_groups(app: Any) -> list[Any]:
    """One entry a group, each with what this person may see of it."""
    by_name = {model["object_name"]: model for model in app["models"]}
    groups = [(title, [by_name[name] for name in names if name in by_name]) for title, names in GROUPS.items()]
    return [{**app, "name": title, "models": models} for title, models in groups if models]
