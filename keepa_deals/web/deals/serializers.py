"""A deal, its points and its events as the API and the JSON export give them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from keepa_deals.deals import may_sell, risks
from keepa_deals.deals.economics.calculation import known_fee
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.price_history import Line, Past, Step
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.rows import EventRow, PointRow
from keepa_deals.web.deals.marked_rows import MarkedRow, marks_json
from keepa_deals.web.deals.row import doubt_names, status_of
from keepa_deals.web.format import amazon_url, image_url, iso

COPIED = (
    *("asin", "domain_id", "title", "brand", "price", "price_avg_day", "price_avg_week", "price_avg_month"),
    *("price_avg_90", "delta_percent_day", "delta_percent_week", "delta_percent_month", "delta_percent"),
    *(
        "amazon_price",
        "sales_rank",
        "rank_drops_30",
        "rank_drops_90",
        "monthly_sold",
        "rating",
        "review_count",
    ),
    *("buy_box_price", "offer_count", "amazon_in_stock", "is_lowest", "is_lowest_90", "fba_fee"),
    *("referral_fee_bp", "sell_price", "profit", "roi_bp", "margin_bp", "price_type"),
)
MOMENTS = (
    *("found_at", "deal_created_at", "keepa_updated_at", "first_seen_at", "last_seen_at", "changed_at"),
    *("enriched_at", "ended_at"),
)


def deal_json(marked: MarkedRow, as_of: AsOf, root: str) -> dict[str, Any]:
    """A deal of the API. Money in the currency's smallest unit, times in ISO 8601 UTC.

    ``root`` is the prefix under which the reader has the dashboard; empty without one.
    """
    row = marked.row
    values = row._asdict()
    return {
        **{name: values[name] for name in COPIED},
        **{name: iso(values[name]) for name in MOMENTS},
        "fba_fee": known_fee(values["fba_fee"]),
        "risks": None if row.risks is None else risks.names(row.risks),
        "may_sell": may_sell.word_of(row.may_sell),
        "sell_doubts": None if row.sell_doubt is None else doubt_names(row.sell_doubt),
        "status": status_of(row, as_of),
        "ended_reason": str(row.ended_reason) if row.ended_reason else None,
        "currency": marketplace(row.domain_id).currency,
        "category_id": row.root_category,
        "category": row.category_name,
        "image_url": image_url(row.image),
        "url": f"{root}/deals/{row.domain_id}/{row.asin}",
        "amazon_url": amazon_url(row.domain_id, row.asin),
        "marks": marks_json(marked.marks),
    }


def point_json(point: PointRow) -> dict[str, Any]:
    """A point of a deal's history: in force from ``at`` on."""
    return {
        "at": iso(point.at),
        "price": point.price,
        "price_avg_90": point.price_avg_90,
        "sales_rank": point.sales_rank,
    }


def past_json(past: Past, read_at: datetime | None) -> dict[str, Any]:
    """What Keepa told of a deal's past: each value in force from ``at`` on, ``null`` for no offer."""

    def series(steps: Sequence[Step]) -> list[dict[str, Any]]:
        return [{"at": iso(datetime.fromtimestamp(60 * minute, UTC)), "value": v} for minute, v in steps]

    return {
        "read_at": iso(read_at),
        "price": series(past.prices),
        "sales_rank": series(past.ranks),
        **{str(line): series(past.lines.get(line, ())) for line in Line},
        "sales": [iso(datetime.fromtimestamp(60 * minute, UTC)) for minute in past.sales],
    }


def event_json(event: EventRow) -> dict[str, Any]:
    """A change of a deal's state."""
    return {
        "at": iso(event.at),
        "kind": str(event.kind),
        "reason": str(event.reason) if event.reason else None,
    }
