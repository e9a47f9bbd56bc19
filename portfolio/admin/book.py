"""The book itself: what was observed, what moved, why, and what stands now."""

from typing import Final

from django.contrib.admin import EmptyFieldListFilter
from django.db.models import Case, When

from .. import models
from .reading import read_only

ACCOUNT: Final = ("broker_account",)
BROKER: Final = "broker_account__broker"
BY_ACCOUNT: Final = ("broker_account__account_id", "broker_account__label")
BY_NAME: Final = ("symbol", "isin", *BY_ACCOUNT)

# The changes of one version share its time: placed comes before filled, and that before any other state or instruction.
OF_ONE_VERSION: Final = Case(
    When(change_type="ORDER_PLACED", then=0),
    When(change_type__startswith="QUANTITY_", then=1),
    When(change_type="ORDER_MODIFIED", then=3),
    default=2,
)

read_only(
    models.RealHolding,
    list_display=("symbol", "broker_account", "owned_quantity", "average_price", "current_price",
                  "current_value", "price_day", "unconfirmed_since", "doubt"),
    list_filter=(BROKER, "lot", "unconfirmed_since"),
    search_fields=BY_NAME,
    list_select_related=ACCOUNT,
    ordering=("symbol",),
)  # fmt: skip
read_only(
    models.RealPosition,
    list_display=("symbol", "broker_account", "segment", "product", "quantity", "net_quantity", "net_price",
                  "current_price", "last_updated_at"),
    list_filter=(BROKER, "segment", "product"),
    search_fields=BY_NAME,
    list_select_related=ACCOUNT,
    ordering=("symbol",),
)  # fmt: skip
read_only(
    models.OrderVersion,
    list_display=("symbol", "broker_account", "transaction_type", "product", "quantity",
                  "filled_quantity", "price", "order_status", "order_date", "version"),
    list_filter=(BROKER, "order_status", "transaction_type", "segment", "is_late"),
    search_fields=("groww_order_id", *BY_NAME),
    date_hierarchy="order_date",
    list_select_related=ACCOUNT,
    ordering=("-detected_at", "groww_order_id", "-version", "-pk"),  # keys of one batch may share their time
)  # fmt: skip
read_only(
    models.OrderQuantityChange,
    list_display=("symbol", "broker_account", "change_type", "quantity_delta", "new_quantity",
                  "price_at_change", "change_reason", "detected_at"),
    list_filter=(BROKER, "change_type"),
    search_fields=("order_history__groww_order_id", *BY_NAME),
    date_hierarchy="detected_at",
    list_select_related=ACCOUNT,
    ordering=("-detected_at", "order_history__groww_order_id", "-order_history__version", OF_ONE_VERSION.desc(), "-pk"),
)  # fmt: skip
read_only(
    models.Transaction,
    list_display=("symbol", "broker_account", "transaction_type", "product", "quantity", "price", "amount",
                  "trade_date", "executed_at", "revision", "void_reason"),
    list_filter=(BROKER, "transaction_type", "segment", "is_delivery", "source"),
    search_fields=("groww_order_id", "source_id", *BY_NAME),
    date_hierarchy="trade_date",
    list_select_related=ACCOUNT,
)  # fmt: skip
read_only(
    models.HoldingVersion,
    list_display=("symbol", "broker_account", "as_of", "owned_quantity", "t1_quantity", "pledge_quantity",
                  "average_price", "is_gone", "unconfirmed_since", "detected_at"),
    list_filter=(BROKER, "lot", "is_gone", "unconfirmed_since"),
    search_fields=BY_NAME,
    date_hierarchy="as_of",
    list_select_related=ACCOUNT,
)  # fmt: skip
read_only(
    models.HoldingChange,
    list_display=("symbol", "broker_account", "as_of", "previous_quantity", "new_quantity", "quantity_delta",
                  "unexplained_quantity", "question_number"),
    list_filter=(BROKER, ("question_number", EmptyFieldListFilter)),
    search_fields=BY_NAME,
    date_hierarchy="as_of",
    list_select_related=ACCOUNT,
)  # fmt: skip
read_only(
    models.ChangeExplanation,
    list_display=("symbol", "broker_account", "kind", "dated", "quantity", "cost_price", "detected_at"),
    list_filter=(BROKER, "kind"),
    search_fields=BY_NAME,
    date_hierarchy="dated",
    list_select_related=ACCOUNT,
)
read_only(
    models.PositionVersion,
    list_display=("symbol", "broker_account", "as_of", "segment", "product", "quantity", "credit_quantity",
                  "debit_quantity", "realised_pnl", "is_gone", "detected_at"),
    list_filter=(BROKER, "segment", "product", "is_gone"),
    search_fields=BY_NAME,
    date_hierarchy="as_of",
    list_select_related=ACCOUNT,
)  # fmt: skip
read_only(
    models.FundsVersion,
    list_display=("as_of", "broker_account", "cash_balance", "margin_used", "margin_available", "collateral",
                  "currency", "fetched_at"),
    list_filter=(BROKER, "currency"),
    search_fields=BY_ACCOUNT,
    date_hierarchy="as_of",
    list_select_related=ACCOUNT,
)  # fmt: skip
read_only(
    models.PortfolioSnapshot,
    list_display=("snapshot_date", "broker_account", "revision", "total_portfolio_value", "day_change",
                  "day_change_percent", "cash_balance", "holdings_count", "stale_prices"),
    list_filter=(BROKER,),
    search_fields=BY_ACCOUNT,
    date_hierarchy="snapshot_date",
    list_select_related=ACCOUNT,
    ordering=("-snapshot_date", "-pk"),
)  # fmt: skip
read_only(
    models.Price,
    list_display=("symbol", "exchange", "price_date", "price", "is_close", "source", "revision", "observed_at"),
    list_filter=("source", "is_close", "exchange"),
    search_fields=("symbol", "isin"),
    date_hierarchy="price_date",
)
read_only(
    models.Instrument,
    list_display=("symbol", "isin", "name", "segment"),
    list_filter=("segment",),
    search_fields=("symbol", "isin", "name"),
    ordering=("symbol",),
)
read_only(
    models.Listing,
    list_display=("symbol", "exchange", "segment", "instrument", "listed_from", "listed_until"),
    list_filter=("exchange", "segment", ("listed_until", EmptyFieldListFilter)),
    search_fields=("symbol", "instrument__isin"),
    date_hierarchy="listed_from",
    list_select_related=("instrument",),
    ordering=("symbol",),
)
read_only(
    models.InstrumentLink,
    list_display=("kind", "symbol", "isin", "successor_symbol", "successor_isin", "units_before", "units_after",
                  "effective_on", "is_withdrawn", "broker_account"),
    list_filter=("kind", "is_withdrawn"),
    search_fields=("symbol", "isin", "successor_symbol", "successor_isin"),
    date_hierarchy="effective_on",
    list_select_related=ACCOUNT,
)  # fmt: skip
read_only(
    models.Act,
    list_display=("subject", "broker_account", "detected_at", "batch"),
    list_filter=(BROKER,),
    search_fields=("subject", *BY_ACCOUNT),
    date_hierarchy="detected_at",
    list_select_related=("broker_account", "batch"),
)
read_only(
    models.ActWords,
    list_display=("act",),
    search_fields=("act__subject",),
    list_select_related=("act",),
)
