"""Over which time a price's change is meant, and the columns that tell it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement

from keepa_deals.db.models import Deal

_T = Deal.__table__.c


class Interval(StrEnum):
    """Over which time a price's change is meant."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    DAYS_90 = "90"

    @property
    def suffix(self) -> str:
        """How the names of the sorts of this interval end; those of 90 days have no ending."""
        return "" if self is Interval.DAYS_90 else f"_{self}"

    @property
    def words(self) -> str:
        return "90 days" if self is Interval.DAYS_90 else str(self)


AVERAGES: Mapping[Interval, ColumnElement[Any]] = {
    Interval.DAY: _T.price_avg_day,
    Interval.WEEK: _T.price_avg_week,
    Interval.MONTH: _T.price_avg_month,
    Interval.DAYS_90: _T.price_avg_90,
}
PERCENTS: Mapping[Interval, ColumnElement[Any]] = {
    Interval.DAY: _T.delta_percent_day,
    Interval.WEEK: _T.delta_percent_week,
    Interval.MONTH: _T.delta_percent_month,
    Interval.DAYS_90: _T.delta_percent,
}
DROPS: Mapping[Interval, ColumnElement[Any]] = {
    interval: average - _T.price for interval, average in AVERAGES.items()
}
"""How far the price is below the average, in cents."""
