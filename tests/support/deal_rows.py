"""Many varied deals, straight into the table: for what only shows with numbers, speed above all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.deals.kinds import DealEventKind, EndedReason

WORDS = (
    *("Cable", "Kettle", "Lamp", "Desk", "Mouse", "Headphones", "Charger", "Bottle", "Backpack", "Knife"),
    *("Puzzle", "Novel", "Monitor", "Speaker", "Blanket", "Drill", "Camera", "Watch", "Tent", "100%", "a/b"),
    *("Blue", "Red", "Steel", "Wireless", "Compact", "Pro", "Kids", "Ünïcode", "under_score", "Large"),
)
BRANDS = ("Acme", "Globex", "Initech", "Umbrella", None)
CATEGORIES = (*range(1, 31), None)
UNKNOWN = 0.15
"""The part of the values that may be unknown and is."""


ENDED = 0.3


def fill_deals(
    engine: Engine, count: int, now: datetime, *, seed: int = 1, chunk: int = 5_000, ended: float = ENDED
) -> None:
    """Write ``count`` deals, of which the part ``ended`` has ended; of the others one in seven is stale."""
    source = random.Random(seed)
    with engine.begin() as connection:
        for start in range(0, count, chunk):
            rows = [
                make_row(source, number, now, ended=ended)
                for number in range(start, min(start + chunk, count))
            ]
            connection.execute(insert(Deal), rows)
            events = list(_events(source, rows, now))
            if events:
                connection.execute(insert(DealEvent), events)


def make_row(source: random.Random, number: int, now: datetime, *, ended: float = ENDED) -> dict[str, Any]:
    """One deal, its values independent of each other."""

    def maybe(value: Any) -> Any:
        return None if source.random() < UNKNOWN else value

    below = source.randrange
    state = source.random()
    category = CATEGORIES[below(len(CATEGORIES))]
    has_ended = state > 1 - ended
    is_stale = not has_ended and state >= (1 - ended) * 6 / 7
    seen = now - timedelta(seconds=3_700 + below(9_000) if is_stale else below(3_500))
    created = now - timedelta(seconds=below(7 * 86_400))
    integers = {
        **dict.fromkeys(
            ("price", "price_avg_day", "price_avg_week", "price_avg_month", "price_avg_90"), 20_000
        ),
        **dict.fromkeys(
            ("delta_percent_day", "delta_percent_week", "delta_percent_month", "delta_percent"), 100
        ),
        "amazon_price": 20_000,
        "sales_rank": 500_000,
        "rating": 51,
        "review_count": 9_000,
        "rank_drops_30": 300,
        "rank_drops_90": 900,
        "monthly_sold": 5_000,
        "buy_box_price": 20_000,
        "offer_count": 40,
        "fba_fee": 900,
        "referral_fee_bp": 1_700,
        "sell_price": 20_000,
        "profit": 8_000,
        "roi_bp": 20_000,
        "margin_bp": 9_000,
    }
    return {
        "domain_id": 1,
        "asin": f"B{number:09d}",
        "title": " ".join(WORDS[below(len(WORDS))] for _ in range(6)) + f" {number}",
        "brand": BRANDS[below(len(BRANDS))],
        "image": f"51{number:08d}.jpg",
        "root_category": category,
        "category_name": None if category is None else f"Category {category}",
        "price_type": 0,
        **{name: maybe(below(most)) for name, most in integers.items()},
        **_package(number),
        **{name: maybe(source.random() < 0.3) for name in ("amazon_in_stock", "is_lowest", "is_lowest_90")},
        **dict.fromkeys(
            ("deal_created_at", "keepa_updated_at", "first_seen_at", "found_at", "changed_at"), created
        ),
        **dict.fromkeys(("last_seen_at", "listed_at"), seen),
        "verified_at": None,
        "point_at": created,
        "stale_noted_at": None,
        "ended_at": seen if has_ended else None,
        "ended_reason": EndedReason.PRICE_RECOVERED if has_ended else None,
        "enriched_at": created,
    }


def _package(number: int) -> dict[str, Any]:
    """What the fees depend on, drawn by itself: what is drawn before it stays."""
    source = random.Random(number)
    most = {"closing_fee": 181, "return_rate": 3, "package_weight": 9_000}
    most |= {"package_length": 600, "package_width": 400, "package_height": 200}
    most |= {"robust_sales": 9, "sell_doubt": 8}
    names = ("price_avg_180", "price_avg_365", "robust_price", "price_low_year", "price_high_year")
    most |= dict.fromkeys(names, 20_000)
    most |= {"may_sell": 4}
    return {name: None if source.random() < UNKNOWN else source.randrange(n) for name, n in most.items()}


def _events(source: random.Random, rows: list[dict[str, Any]], now: datetime) -> Iterator[dict[str, Any]]:
    """One deal in twenty was out of stock before."""
    for row in rows:
        if source.random() < 0.05:
            yield {
                "domain_id": row["domain_id"],
                "asin": row["asin"],
                "at": now,
                "kind": DealEventKind.ENDED,
                "reason": EndedReason.OUT_OF_STOCK,
            }
