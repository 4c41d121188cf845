"""The tables. Money is integer cents, time aware UTC; the migrations are the truth in production."""

from keepa_deals.db.models.alerts import (
    Alert,
    AlertChange,
    AlertChannel,
    AlertMemory,
    AlertState,
    Channel,
    Delivery,
    DeliveryState,
    MessageKind,
    ServiceProblem,
)
from keepa_deals.db.models.base import UNREADABLE, Base, Named, UtcDateTime
from keepa_deals.db.models.dashboard import OperatorAction, OwnView, SavedView
from keepa_deals.db.models.deals import (
    Deal,
    DealEvent,
    DealPast,
    DealPoint,
    DealVariation,
    Origin,
    OriginKind,
)
from keepa_deals.db.models.jobs import JobRun, JobState, Sample
from keepa_deals.db.models.marks import DealMark, HiddenBrand, HiddenCategory, MarkBook
from keepa_deals.db.models.people import ApiToken, PersonRow
from keepa_deals.db.models.searches import SearchOwner, SearchRow, SearchState
from keepa_deals.db.models.seller import ListingCheck, SellerAccount
from keepa_deals.db.models.terms import TermChange
from keepa_deals.roles import Role, Scope

__all__ = [
    "UNREADABLE",
    "Alert",
    "AlertChange",
    "AlertChannel",
    "AlertMemory",
    "AlertState",
    "ApiToken",
    "Base",
    "Channel",
    "Deal",
    "DealEvent",
    "DealMark",
    "DealPast",
    "DealPoint",
    "DealVariation",
    "Delivery",
    "DeliveryState",
    "HiddenBrand",
    "HiddenCategory",
    "JobRun",
    "JobState",
    "ListingCheck",
    "MarkBook",
    "MessageKind",
    "Named",
    "OperatorAction",
    "Origin",
    "OriginKind",
    "OwnView",
    "PersonRow",
    "Role",
    "Sample",
    "SavedView",
    "Scope",
    "SearchOwner",
    "SearchRow",
    "SearchState",
    "SellerAccount",
    "ServiceProblem",
    "TermChange",
    "UtcDateTime",
]
