"""The tables. Money is integer cents, time aware UTC; the migrations are the truth in production."""

from keepa_deals.db.models.base import UNREADABLE, Base, Named, UtcDateTime
from keepa_deals.db.models.dashboard import OperatorAction, SavedView
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
from keepa_deals.db.models.people import ApiToken, PersonRow, Role, Scope

__all__ = [
    "UNREADABLE",
    "ApiToken",
    "Base",
    "Deal",
    "DealEvent",
    "DealPast",
    "DealPoint",
    "DealVariation",
    "JobRun",
    "JobState",
    "Named",
    "OperatorAction",
    "Origin",
    "OriginKind",
    "PersonRow",
    "Role",
    "Sample",
    "SavedView",
    "Scope",
    "UtcDateTime",
]
