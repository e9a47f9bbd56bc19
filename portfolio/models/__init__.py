"""Every table, one noun a file. Write `from portfolio.models import RealHolding`."""

from . import lookups as lookups
from .account import AccountHead, AccountKey, AccountMemory, BrokerAccount, BrokerAccountCredential, BrokerType
from .act import Act, ActWords
from .batch import SyncBatch
from .calendar import CalendarDay, SessionHours
from .event import Event
from .evidence import DroppedBody, RawBody, RawReply
from .holding import ChangeExplanation, HoldingChange, HoldingVersion, RealHolding
from .instrument import Instrument, Listing
from .link import InstrumentLink
from .order import OrderQuantityChange, OrderVersion, Transaction
from .page import LedgerPage
from .people import Portfolio, User
from .position import FundsVersion, PositionVersion, RealPosition
from .schedule import Schedule, ScheduledLook, SyncSlot
from .snapshot import PortfolioSnapshot, Price
from .tree import Checkpoint, LedgerTree

__all__ = [
    "AccountHead",
    "AccountKey",
    "AccountMemory",
    "Act",
    "ActWords",
    "BrokerAccount",
    "BrokerAccountCredential",
    "BrokerType",
    "CalendarDay",
    "ChangeExplanation",
    "Checkpoint",
    "DroppedBody",
    "Event",
    "FundsVersion",
    "HoldingChange",
    "HoldingVersion",
    "Instrument",
    "InstrumentLink",
    "LedgerPage",
    "LedgerTree",
    "Listing",
    "OrderQuantityChange",
    "OrderVersion",
    "Portfolio",
    "PortfolioSnapshot",
    "PositionVersion",
    "Price",
    "RawBody",
    "RawReply",
    "RealHolding",
    "RealPosition",
    "Schedule",
    "ScheduledLook",
    "SessionHours",
    "SyncBatch",
    "SyncSlot",
    "Transaction",
    "User",
]
