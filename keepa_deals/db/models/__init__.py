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

__all__ = [
    "UNREADABLE",
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
    "Sample",
    "SavedView",
    "UtcDateTime",
]
