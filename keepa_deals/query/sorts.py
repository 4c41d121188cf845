"""The orders of the list: one table, for the page, the API and its description."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement

from keepa_deals.db.models import Deal
from keepa_deals.query.intervals import DROPS, Interval

_T = Deal.__table__.c

DEFAULT_SORT = "found"


class Order(StrEnum):
    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Sort:
    """One order of the list. ``descending`` is what a first click gives (the interesting end first)."""

    name: str
    label: str
    column: ColumnElement[Any]
    descending: bool = True
    nullable: bool = True


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
        Sort("drop", "Change, 90 days", DROPS[Interval.DAYS_90]),
        Sort("drop_month", "Change, month", DROPS[Interval.MONTH]),
        Sort("drop_week", "Change, week", DROPS[Interval.WEEK]),
        Sort("drop_day", "Change, day", DROPS[Interval.DAY]),
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


def default_order(sort: str) -> Order:
    """The direction that shows the interesting end of a sort first."""
    return Order.DESC if SORTS[sort].descending else Order.ASC
