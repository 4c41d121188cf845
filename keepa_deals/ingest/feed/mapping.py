"""Keepa's answers as columns of the deals table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from keepa_deals.deals.economics.robust import NO_PAST, PastPrices
from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.enums import USED, CsvType, Interval
from keepa_deals.keepa.fields import at
from keepa_deals.keepa.product import Product, ProductStats

PERCENTAGES: Mapping[str, str] = {
    "delta_percent_day": "price_avg_day",
    "delta_percent_week": "price_avg_week",
    "delta_percent_month": "price_avg_month",
    "delta_percent": "price_avg_90",
}
"""How far the price is below which average."""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """The columns of ``deals`` that the feed fills."""

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


@dataclass(frozen=True, slots=True)
class DetailRow:
    """The columns of ``deals`` that the enrichment fills."""

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


class WithAverages(Protocol):
    """A deal whose percentages follow from its price and its averages."""

    price: int | None
    price_avg_day: int | None
    price_avg_week: int | None
    price_avg_month: int | None
    price_avg_90: int | None


def percentages(deal: WithAverages) -> dict[str, int | None]:
    """The percentages of a deal whose price the feed did not tell, from its averages."""
    return {name: _below(getattr(deal, average), deal.price) for name, average in PERCENTAGES.items()}


def _below(average: int | None, price: int | None) -> int | None:
    return round(100 * (average - price) / average) if average and price is not None else None


def feed_rows(page: DealPage, *, domain_id: int, price_type: CsvType) -> list[FeedRow]:
    """One row a deal of the page; the last one counts where an ASIN comes twice."""
    rows = {deal.asin: _feed_row(deal, page.category_names, domain_id, price_type) for deal in page.deals}
    return list(rows.values())


def _feed_row(deal: Deal, categories: Mapping[int, str], domain_id: int, kind: CsvType) -> FeedRow:
    def percent(interval: Interval) -> int | None:
        return at(at(deal.delta_percent, interval) or (), kind)

    return FeedRow(
        domain_id=domain_id,
        asin=deal.asin,
        title=deal.title,
        image=deal.image,
        root_category=deal.root_category,
        category_name=categories.get(deal.root_category or 0),
        price_type=int(kind),
        price=deal.value(kind),
        price_avg_day=deal.average(kind, Interval.DAY),
        price_avg_week=deal.average(kind, Interval.WEEK),
        price_avg_month=deal.average(kind, Interval.MONTH),
        price_avg_90=deal.average(kind, Interval.DAYS_90),
        delta_percent_day=percent(Interval.DAY),
        delta_percent_week=percent(Interval.WEEK),
        delta_percent_month=percent(Interval.MONTH),
        delta_percent=percent(Interval.DAYS_90),
        amazon_price=deal.value(CsvType.AMAZON),
        sales_rank=deal.value(CsvType.SALES),
        rating=deal.value(CsvType.RATING),
        review_count=deal.value(CsvType.COUNT_REVIEWS),
        deal_created_at=deal.creation_date,
        keepa_updated_at=deal.last_update,
    )


def _buy_box(stats: ProductStats, kind: CsvType) -> int | None:
    """The buy box of the deal's condition: for a used one that of used offers, which is another price."""
    if kind in USED:
        return at(stats.current, CsvType.BUY_BOX_USED_SHIPPING)
    return stats.buy_box_price


def detail_row(product: Product, kind: CsvType, past: PastPrices = NO_PAST) -> DetailRow:
    """What a product, and the ``past`` of its price, tell of a deal whose price is of ``kind``."""
    stats = product.stats
    fee = product.referral_fee_percent
    in_stock = product.availability_amazon
    return DetailRow(
        brand=product.brand,
        rank_drops_30=stats.sales_rank_drops_30 if stats else None,
        rank_drops_90=stats.sales_rank_drops_90 if stats else None,
        monthly_sold=product.monthly_sold,
        buy_box_price=_buy_box(stats, kind) if stats else None,
        offer_count=stats.total_offer_count if stats else None,
        amazon_in_stock=None if in_stock is None else in_stock == 0,
        is_lowest=at(stats.is_lowest, kind) if stats else None,
        is_lowest_90=at(stats.is_lowest_90, kind) if stats else None,
        fba_fee=product.fba_fee,
        referral_fee_bp=None if fee is None else round(fee * 100),
        closing_fee=product.closing_fee,
        return_rate=product.return_rate,
        package_length=product.package.length,
        package_width=product.package.width,
        package_height=product.package.height,
        package_weight=product.package.weight,
        price_avg_180=at(stats.avg180, kind) if stats else None,
        price_avg_365=at(stats.avg365, kind) if stats else None,
        robust_price=past.robust,
        robust_sales=past.sales,
        price_low_year=past.low,
        price_high_year=past.high,
    )
