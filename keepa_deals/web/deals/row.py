"""A deal as it is shown and as the API gives it. Texts stay plain here; the templates escape them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from keepa_deals import formats
from keepa_deals.deals.economics import known_fee
from keepa_deals.deals.money import money, symbol, whole
from keepa_deals.deals.price_history import Past, Step
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.columns import AVERAGES, PERCENTS, Interval
from keepa_deals.query.reader import DealRow, Moment

IMAGE_HOST = "https://m.media-amazon.com"
_IMAGE_NAME = re.compile(r"[A-Za-z0-9+_%.,-]{1,120}")
_SIZED = re.compile(r"\.(?=[a-z]+$)")


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with ``Z``, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def image_url(name: str | None, size: int | None = None) -> str | None:
    """The picture's address, in Amazon's scaled form when ``size`` pixels are given."""
    if not name or not _IMAGE_NAME.fullmatch(name):
        return None
    if size and "._" not in name:
        name = _SIZED.sub(f"._SL{size}_.", name)
    return f"{IMAGE_HOST}/images/I/{name}"


def amazon_url(domain_id: int, asin: str) -> str:
    return f"https://www.amazon.{marketplace(domain_id).tld}/dp/{asin}"


def keepa_url(domain_id: int, asin: str) -> str:
    return f"https://keepa.com/#!product/{domain_id}-{asin}"


def status_of(row: DealRow, moment: Moment) -> str:
    if row.ended_at is not None:
        return "ended"
    return "live" if row.last_seen_at >= moment.live_since else "stale"


ENDED_REASONS = {
    "price_recovered": "the price recovered",
    "out_of_stock": "out of stock",
    "no_longer_matches": "it no longer matches the selection",
    "product_gone": "the product is gone",
    "no_longer_listed": "Keepa’s list no longer shows it, though its product page says that the price holds",
    "merged": "another variation of the same product stands for it",
}


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the words of a person: ``just now``, ``3 min ago``, ``2 h ago``, ``5 d ago``.

    Counted from the whole second: pages carry no more of a moment, and their scripts go on counting.
    """
    return formats.age((now - moment.replace(microsecond=0)).total_seconds())


def tint(row: DealRow) -> int:
    """One of eight quiet tints, the same for a category wherever it appears."""
    return int(row.root_category or 0) % 8


MINUS = "−"


def signed(text: str, fallen: int) -> str:
    """``text`` (of a magnitude) with the sign of a price's movement: ``fallen`` positive is a minus."""
    return f"{MINUS if fallen > 0 else '+' if fallen < 0 else ''}{text}"


@dataclass(frozen=True, slots=True)
class Change:
    """How far the price is below an average: percent, and the amount where both are known."""

    interval: Interval
    average: int | None
    percent: int | None
    amount: int | None
    domain_id: int

    @property
    def percent_text(self) -> str:
        return "–" if self.percent is None else signed(f"{abs(self.percent)} %", self.percent)

    @property
    def amount_text(self) -> str:
        if self.amount is None:
            return "–"
        return signed(money(abs(self.amount), self.domain_id), self.amount)


def change(row: DealRow, interval: Interval) -> Change:
    """The change over an interval; positive numbers mean that the price fell."""
    average = getattr(row, AVERAGES[interval].key or "")
    amount = None if average is None or row.price is None else average - row.price
    percent = getattr(row, PERCENTS[interval].key or "")
    return Change(interval, average, percent, amount, row.domain_id)


@dataclass(frozen=True, slots=True)
class Presented:
    """A row with what the templates need beside the stored values."""

    row: DealRow
    status: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)

    @property
    def key(self) -> str:
        return f"{self.row.domain_id}-{self.row.asin}"

    @property
    def title_text(self) -> str:
        return self.row.title or f"Product {self.row.asin}"

    @property
    def tint(self) -> int:
        return tint(self.row)

    @property
    def amazon_url(self) -> str:
        return amazon_url(self.row.domain_id, self.row.asin)

    @property
    def keepa_url(self) -> str:
        return keepa_url(self.row.domain_id, self.row.asin)

    def image(self, size: int) -> str | None:
        return image_url(self.row.image, size)

    def money(self, amount: int | None) -> str:
        return "–" if amount is None else money(amount, self.row.domain_id)


@dataclass(frozen=True, slots=True)
class Shown(Presented):
    """One deal on a page of its own, at a moment."""

    now: datetime

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change(self.row, interval) for interval in Interval)


def shown(row: DealRow, moment: Moment) -> Shown:
    return Shown(row, status_of(row, moment), moment.now)


def percent(basis_points: int | None) -> str:
    """Basis points as whole percent: ``35 %``."""
    return formats.write(basis_points, formats.PERCENT)


def percent_tenth(basis_points: int | None) -> str:
    """Basis points with a tenth of a percent: ``35.4 %``."""
    return formats.write(basis_points, formats.PERCENT_TENTHS)


def number(value: int | None) -> str:
    return formats.write(value, formats.COUNT)


def stars(value: int | None) -> str:
    return formats.write(value, formats.STARS)


# -- JSON ----------------------------------------------------------------------------------------
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


def to_json(row: DealRow, moment: Moment) -> dict[str, Any]:
    """A deal of the API. Money in the currency's smallest unit, times in ISO 8601 UTC."""
    values = row._mapping
    return {
        **{name: values[name] for name in COPIED},
        **{name: iso(values[name]) for name in MOMENTS},
        "fba_fee": known_fee(values["fba_fee"]),
        "status": status_of(row, moment),
        "ended_reason": str(row.ended_reason) if row.ended_reason else None,
        "currency": marketplace(row.domain_id).currency,
        "category_id": row.root_category,
        "category": row.category_name,
        "image_url": image_url(row.image),
        "url": f"/deals/{row.domain_id}/{row.asin}",
        "amazon_url": amazon_url(row.domain_id, row.asin),
    }


def template_helpers() -> Mapping[str, Any]:
    """What the templates may call."""
    helpers = (percent, percent_tenth, number, stars, ago, iso, whole, currency_of)
    return {"formats": formats.rules, **{helper.__name__: helper for helper in helpers}}


def currency_of(domain_id: int) -> str:
    """The sign of the currency in which amounts of the domain are typed."""
    return symbol(domain_id)


def point_json(point: Row[Any]) -> dict[str, Any]:
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

    return {"read_at": iso(read_at), "price": series(past.prices), "sales_rank": series(past.ranks)}


def event_json(event: Row[Any]) -> dict[str, Any]:
    """A change of a deal's state."""
    return {
        "at": iso(event.at),
        "kind": str(event.kind),
        "reason": str(event.reason) if event.reason else None,
    }
