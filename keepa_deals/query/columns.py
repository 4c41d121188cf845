"""What the deals can be sorted and filtered by: one table each, for the page, the API and its description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement

from keepa_deals.db.models import Deal


class Unit(StrEnum):
    """How a number is typed by people; it is stored as an integer."""

    MONEY = "money"
    PERCENT = "percent"
    BASIS_POINTS = "basis_points"
    STARS = "stars"
    COUNT = "count"


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


@dataclass(frozen=True, slots=True)
class Sort:
    """One order of the list. ``descending`` is what a first click gives (the interesting end first)."""

    name: str
    label: str
    column: ColumnElement[Any]
    descending: bool = True
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Range:
    """One bound that a number must keep. A deal whose value is unknown is hidden and counted."""

    name: str
    label: str
    column: ColumnElement[Any]
    unit: Unit
    lower: bool = True
    """Whether the value is a minimum (otherwise a maximum)."""
    by_interval: Mapping[Interval, ColumnElement[Any]] | None = None
    """The columns of a bound on a change, whose meaning follows the view's interval."""

    @property
    def noun(self) -> str:
        """What is bounded, without the direction: ``Price``."""
        return self.label.partition(" from")[0].partition(" to")[0]

    def over(self, interval: Interval) -> ColumnElement[Any]:
        """The column that the bound is on in a view of ``interval``."""
        return self.by_interval[interval] if self.by_interval else self.column


def _drop(average: ColumnElement[Any]) -> ColumnElement[Any]:
    return average - _T.price


_T = Deal.__table__.c
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
_DROPS = {interval: _drop(average) for interval, average in AVERAGES.items()}

SORTS: dict[str, Sort] = {
    sort.name: sort
    for sort in (
        Sort("found", "Found", _T.found_at, nullable=False),
        Sort("price_since", "Price since", _T.deal_created_at, nullable=False),
        Sort("seen", "Last seen", _T.last_seen_at, nullable=False),
        Sort("discount", "Change, 90 days %", _T.delta_percent),
        Sort("discount_month", "Change, month %", _T.delta_percent_month),
        Sort("discount_week", "Change, week %", _T.delta_percent_week),
        Sort("discount_day", "Change, day %", _T.delta_percent_day),
        Sort("drop", "Change, 90 days", _drop(_T.price_avg_90)),
        Sort("drop_month", "Change, month", _drop(_T.price_avg_month)),
        Sort("drop_week", "Change, week", _drop(_T.price_avg_week)),
        Sort("drop_day", "Change, day", _drop(_T.price_avg_day)),
        Sort("price", "Price", _T.price, descending=False),
        Sort("avg_90", "90-day average", _T.price_avg_90),
        Sort("avg_month", "Month average", _T.price_avg_month),
        Sort("avg_week", "Week average", _T.price_avg_week),
        Sort("avg_day", "Day average", _T.price_avg_day),
        Sort("rank", "Sales rank", _T.sales_rank, descending=False),
        Sort("rank_drops", "Rank drops, 30 days", _T.rank_drops_30),
        Sort("rank_drops_90", "Rank drops, 90 days", _T.rank_drops_90),
        Sort("sold", "Monthly sold", _T.monthly_sold),
        Sort("profit", "Profit", _T.profit),
        Sort("roi", "ROI", _T.roi_bp),
        Sort("margin", "Margin", _T.margin_bp),
        Sort("rating", "Rating", _T.rating),
        Sort("title", "Title", _T.title, descending=False, nullable=False),
        Sort("category", "Category", _T.category_name, descending=False),
    )
}

RANGES: dict[str, Range] = {
    bound.name: bound
    for bound in (
        Range("price_min", "Price from", _T.price, Unit.MONEY),
        Range("price_max", "Price to", _T.price, Unit.MONEY, lower=False),
        Range("discount_min", "Drop from, %", _T.delta_percent, Unit.PERCENT, by_interval=PERCENTS),
        Range("drop_min", "Drop from", _drop(_T.price_avg_90), Unit.MONEY, by_interval=_DROPS),
        Range("rank_min", "Rank from", _T.sales_rank, Unit.COUNT),
        Range("rank_max", "Rank to", _T.sales_rank, Unit.COUNT, lower=False),
        Range("rank_drops_min", "Rank drops in 30 days from", _T.rank_drops_30, Unit.COUNT),
        Range("sold_min", "Monthly sold from", _T.monthly_sold, Unit.COUNT),
        Range("profit_min", "Profit from", _T.profit, Unit.MONEY),
        Range("roi_min", "ROI from", _T.roi_bp, Unit.BASIS_POINTS),
        Range("margin_min", "Margin from", _T.margin_bp, Unit.BASIS_POINTS),
        Range("rating_min", "Rating from", _T.rating, Unit.STARS),
        Range("reviews_min", "Reviews from", _T.review_count, Unit.COUNT),
    )
}
