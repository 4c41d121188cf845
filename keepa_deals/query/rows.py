"""The rows that readers get, with the types that the table's columns have."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from keepa_deals.deals.kinds import DealEventKind, EndedReason


class DealRow(NamedTuple):
    """A row of ``deals`` with all its columns (their meaning: ``db.models.Deal``)."""

    domain_id: int
    asin: str
    title: str
    image: str | None
    root_category: int | None
    category_name: str | None
    price_type: int
    price: int | None
    price_avg_day: int | None
    price_avg_week: int | None
    price_avg_month: int | None
    price_avg_90: int | None
    delta_percent_day: int | None
    delta_percent_week: int | None
    delta_percent_month: int | None
    delta_percent: int | None
    amazon_price: int | None
    sales_rank: int | None
    rating: int | None
    review_count: int | None
    deal_created_at: datetime
    keepa_updated_at: datetime
    first_seen_at: datetime
    found_at: datetime
    last_seen_at: datetime
    listed_at: datetime
    unlisted_at: datetime | None
    suspected_reason: EndedReason | None
    shown_asin: str | None
    has_siblings: bool
    sibling_since: datetime | None
    verified_at: datetime | None
    point_at: datetime | None
    changed_at: datetime
    stale_noted_at: datetime | None
    ended_at: datetime | None
    ended_reason: EndedReason | None
    enriched_at: datetime | None
    brand: str | None
    rank_drops_30: int | None
    rank_drops_90: int | None
    monthly_sold: int | None
    buy_box_price: int | None
    offer_count: int | None
    amazon_in_stock: bool | None
    is_lowest: bool | None
    is_lowest_90: bool | None
    fba_fee: int | None
    referral_fee_bp: int | None
    closing_fee: int | None
    return_rate: int | None
    package_length: int | None
    package_width: int | None
    package_height: int | None
    package_weight: int | None
    price_avg_180: int | None
    price_avg_365: int | None
    robust_price: int | None
    robust_sales: int | None
    price_low_year: int | None
    price_high_year: int | None
    risks: int | None
    may_sell: int | None
    sell_price: int | None
    sell_doubt: int | None
    profit: int | None
    roi_bp: int | None
    margin_bp: int | None


class PointRow(NamedTuple):
    """Price, average and rank of a deal from ``at`` on."""

    at: datetime
    price: int | None
    price_avg_90: int | None
    sales_rank: int | None


class EventRow(NamedTuple):
    """A change of a deal's state."""

    at: datetime
    kind: DealEventKind
    reason: EndedReason | None


class HistoryRow(NamedTuple):
    """What Keepa told of a deal's past, packed (``deals.price_history``)."""

    read_at: datetime
    packed: bytes
