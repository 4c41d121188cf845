"""What we assume of Keepa, each held against the answers. Its source is named beside it.

"Recorded" are 48 answers of September 2025 (seven sweeps of used books, with another sort order).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from keepa_deals.keepa.counts import counted_matches
from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.fields import at
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.time import to_keepa_minutes
from keepa_deals.keepa.token_costs import (
    DEAL_PAGE_TOKENS,
    DEALS_PER_PAGE,
    MAX_DEALS_PER_QUERY,
    ProductOptions,
)
from keepa_deals.keepa_check import ticks
from keepa_deals.keepa_check.probes import NOBODYS_ASIN, STORED, WITH_BUY_BOX, Evidence, exchanged

FUTURE = timedelta(minutes=1)
"""A date may lie half a minute ahead of its answer (recorded)."""
LOOKED_AT = timedelta(hours=24)
"""Documented are 12 hours, recorded up to 22."""
LAGGING = 1
"""Prices that may differ between the feed and ``/product``: one changed within the three minutes by which
the feed lags (recorded)."""
SKIPPED = 3
"""Deals that pages may show twice or skip while they are read …"""
SKIPPED_SHARE = 0.01
"""… or this share of all, where that is more (recorded: one or two of 750)."""


class Verdict(StrEnum):
    """Whether an assumption holds."""

    HOLDS = "holds"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """One assumption, the verdict on it and what was seen."""

    name: str
    assumption: str
    verdict: Verdict
    seen: str


Judgement = tuple[bool | None, str]
"""Whether it holds (``None``: nobody can tell), and what was seen."""


def judge(evidence: Evidence) -> list[Row]:
    """Every assumption with its verdict."""
    rows = []
    for name, (assumption, look_at) in ASSUMPTIONS.items():
        holds, seen = look_at(evidence)
        verdict = {True: Verdict.HOLDS, False: Verdict.DIFFERS, None: Verdict.UNKNOWN}[holds]
        rows.append(Row(name, assumption.format(type=price_type(evidence.query).name), verdict, seen))
    return rows


def _share(kept: int, of: int, what: str) -> Judgement:
    if not of:
        return None, f"none of the {what} tells"
    return kept == of, f"{kept} of {of} {what}"


# -- the feed ----------------------------------------------------------------------------------
def _newest_first(e: Evidence) -> Judgement:
    dates = [deal.creation_date for deal in e.first.deals]
    pairs = list(pairwise(dates))
    if not pairs:
        return None, "one deal has no order"
    ties = sum(a == b for a, b in pairs)
    holds, seen = _share(sum(a >= b for a, b in pairs), len(pairs), "neighbours are in order")
    return holds, f"{seen}, {ties} of them with the same date"


def _date_is_change(e: Evidence) -> Judgement:
    kind = price_type(e.query)
    pairs = [(deal.creation_date, at(deal.current_since, kind)) for deal in e.first.deals]
    known = [(date, since) for date, since in pairs if since is not None]
    return _share(sum(date == since for date, since in known), len(known), "dates are equal")


def _even_minutes(e: Evidence) -> Judgement:
    even = sum(to_keepa_minutes(deal.creation_date) % 2 == 0 for deal in e.first.deals)
    return _share(even, len(e.first.deals), "dates are even minutes")


def _no_future(e: Evidence) -> Judgement:
    answered = e.first.envelope.timestamp
    past = sum(deal.creation_date <= answered + FUTURE for deal in e.first.deals)
    newest = max(deal.creation_date for deal in e.first.deals)
    age = (answered - newest).total_seconds() / 60
    holds, seen = _share(past, len(e.first.deals), "dates are past")
    return holds, f"{seen}; the newest is {age:.1f} min old"


def _looked_at(e: Evidence) -> Judgement:
    ages = [e.first.envelope.timestamp - deal.last_update for deal in e.first.deals]
    hours = max(ages).total_seconds() / 3600
    holds, seen = _share(sum(age <= LOOKED_AT for age in ages), len(ages), "were looked at within 24 h")
    return holds, f"{seen}; the oldest look is {hours:.1f} h old"


def _percent(e: Evidence) -> Judgement:
    kind, right, known = price_type(e.query), 0, 0
    for deal in e.first.deals:
        for interval in Interval:
            average, price = deal.average(kind, interval), deal.value(kind)
            percent = at(at(deal.delta_percent, interval) or (), kind)
            if average and price is not None and percent is not None:
                known += 1
                right += percent == round(100 * (average - price) / average)
    return _share(right, known, "percentages follow from average and price")


def _query_honoured(e: Evidence) -> Judgement:
    fitting = sum(fits(deal, e.query) for deal in e.first.deals)
    return _share(fitting, len(e.first.deals), "deals are within the query's ranges")


def fits(deal: Deal, query: Mapping[str, Any]) -> bool:
    """Whether a deal is within the ranges of a query, where these are switched on."""
    if not query.get("isRangeEnabled"):
        return True
    kind, interval = price_type(query), int(query["dateRange"])
    values = {
        "currentRange": deal.value(kind),
        "salesRankRange": deal.value(CsvType.SALES),
        "deltaRange": at(at(deal.delta, interval) or (), kind),
        "deltaPercentRange": at(at(deal.delta_percent, interval) or (), kind),
    }
    return all(_within(value, query.get(name)) for name, value in values.items())


def _within(value: int | None, bounds: Sequence[int] | None) -> bool:
    return bounds is None or (value is not None and bounds[0] <= value <= bounds[1])


# -- two equal queries -------------------------------------------------------------------------
def _not_cached(e: Evidence) -> Judgement:
    if e.second.value is None:
        return None, str(e.second.error)
    cached = [e.first.deals_cached, e.second.value.deals_cached]
    return not any(cached), f"dealsCached was {' and '.join(str(flag).lower() for flag in cached)}"


def _siblings(e: Evidence) -> Judgement:
    if e.second.value is None:
        return None, str(e.second.error)
    if e.second.value.deals_cached or not e.second.value.deals:
        return None, "the second answer was cached, or empty"
    gone, came = exchanged(e.first, e.second.value)
    if not gone:
        return True, f"the same {len(e.first.deals)} deals twice, but what newer ones pushed off"
    families = list(_families(gone, came, e.second.value, e.products.value))
    told = f"{len(gone)} shown no more, {len(came)} anew"
    if not families:
        return None, f"{told}, and whether a sibling is shown instead cannot be told of this page"
    return all(
        families
    ), f"{told}; of {len(families)} that were asked about {sum(families)} had a sibling shown"


def _families(
    gone: list[Deal], came: list[Deal], shown: DealPage, batch: ProductBatch | None
) -> Iterator[bool]:
    """For each deal that is gone and known as a product: whether one of its family is shown instead.

    A sibling at another price or date stands on another page: of a family that this one does not show,
    nothing is concluded.
    """
    products = {product.asin: product for product in batch.products} if batch else {}
    now = {deal.asin for deal in shown.deals}
    newcomers = [products[deal.asin].parent_asin for deal in came if deal.asin in products]
    for deal in gone:
        product = products.get(deal.asin)
        if product is not None:
            parent = product.parent_asin
            is_shown = bool(now & set(product.variations)) or (parent is not None and parent in newcomers)
            if is_shown or not (parent or product.variations):
                yield is_shown


# -- the end of the feed -----------------------------------------------------------------------
def _counts(e: Evidence) -> Judgement:
    if e.last.value is None or e.last_index is None:
        return None, str(e.last.error)
    matching = counted_matches(e.last.value.category_counts, e.query)
    if matching is None:
        return None, "the counts of the last page do not tell"
    shown = e.last_index * DEALS_PER_PAGE + len(e.last.value.deals)
    tolerance = max(SKIPPED, round(matching * SKIPPED_SHARE))
    everything = sum(e.last.value.category_counts.values())
    seen = f"{matching} by the counts ({everything} without the categories), {shown} by the pages"
    return abs(min(matching, MAX_DEALS_PER_QUERY) - shown) <= tolerance, seen


def _beyond(e: Evidence) -> Judgement:
    page = e.beyond.value
    if page is None:
        return None, str(e.beyond.error)
    counted = "with" if page.category_counts else "without"
    seen = f"{len(page.deals)} deals, {counted} counts, {page.envelope.tokens_consumed} tokens"
    if 0 < len(page.deals) <= SKIPPED:
        return None, f"{seen}: the feed has grown meanwhile"
    return not page.deals and bool(page.category_counts), seen


# -- prices of calls ---------------------------------------------------------------------------
def _page_price(e: Evidence) -> Judgement:
    pages = [e.first, *(r.value for r in (e.second, e.last, e.beyond) if r.value is not None)]
    prices = Counter(page.envelope.tokens_consumed for page in pages)
    seen = ", ".join(f"{count} for {price}" for price, count in sorted(prices.items()))
    return set(prices) == {DEAL_PAGE_TOKENS}, f"pages: {seen}"


def _product_price(e: Evidence) -> Judgement:
    return _price(e.products.value, STORED, str(e.products.error))


def _buybox_price(e: Evidence) -> Judgement:
    return _price(e.buybox.value, WITH_BUY_BOX, str(e.buybox.error))


def _price(batch: ProductBatch | None, options: ProductOptions, otherwise: str) -> Judgement:
    if batch is None or batch.envelope is None:
        return None, otherwise
    count, paid = len(batch.products), batch.envelope.tokens_consumed
    if not count:
        return None, "Keepa found no product"
    seen = f"{paid} tokens for {count} found and {len(batch.unknown)} unknown"
    return paid == options.documented_tokens_per_product() * count, seen


def _unknown_asin(e: Evidence) -> Judgement:
    if e.products.value is None:
        return None, str(e.products.error)
    is_unknown = NOBODYS_ASIN in e.products.value.unknown
    return is_unknown, f"{NOBODYS_ASIN} {'is' if is_unknown else 'is not'} told as unknown"


# -- /product against the feed -----------------------------------------------------------------
def _product_tells(e: Evidence) -> Judgement:
    kind = price_type(e.query)
    options, batch = (STORED, e.products) if STORED.tells(kind) else (WITH_BUY_BOX, e.buybox)
    if batch.value is None:
        return None, str(batch.error)
    told = [_price_of(batch.value, asin, kind) for asin in _asked(batch.value)]
    seen = f"{sum(price is not None for price in told)} of {len(told)} products tell it"
    if not told:
        return None, "Keepa found no product"
    if options.tells(kind):
        return any(price is not None for price in told), seen
    return all(price is None for price in told), f"{seen}; without offers none should"


def _product_agrees(e: Evidence) -> Judgement:
    kind = price_type(e.query)
    batch = e.products.value if STORED.tells(kind) else e.buybox.value
    if batch is None:
        return None, str(e.products.error or e.buybox.error)
    latest = {deal.asin: deal for page in (e.first, e.second.value) if page for deal in page.deals}
    pairs = [
        (_price_of(batch, asin, kind), latest[asin].value(kind)) for asin in _asked(batch) if asin in latest
    ]
    known = [(told, listed) for told, listed in pairs if told is not None]
    equal = sum(told == listed for told, listed in known)
    holds, seen = _share(equal, len(known), "prices are equal")
    return holds or (None if holds is None else 0 < len(known) - equal <= LAGGING and equal > 0), seen


def _asked(batch: ProductBatch) -> list[str]:
    return [product.asin for product in batch.products if product.stats is not None]


def _price_of(batch: ProductBatch, asin: str, kind: CsvType) -> int | None:
    product = next(product for product in batch.products if product.asin == asin)
    return at(product.stats.current, kind) if product.stats else None


ASSUMPTIONS: Mapping[str, tuple[str, Callable[[Evidence], Judgement]]] = {
    "newest_first": ("sortType 1 shows the newest first (documented, never recorded)", _newest_first),
    "date_is_price_change": (
        "creationDate is when the {type} price last changed (recorded)",
        _date_is_change,
    ),
    "even_minutes": ("dates are even minutes (recorded)", _even_minutes),
    "no_future_dates": ("a date is not later than its answer (recorded)", _no_future),
    "looked_at_within_a_day": ("Keepa has looked at each deal within 24 h (recorded)", _looked_at),
    "percent": ("deltaPercent is (average - current) / average (recorded)", _percent),
    "query_honoured": ("every deal matches the query's ranges (documented)", _query_honoured),
    "not_cached": ("an equal query is answered anew (recorded)", _not_cached),
    "siblings": (
        "a deal that an equal query does not show has a sibling that it shows (documented)",
        _siblings,
    ),
    "counts": ("categoryCount tells how many deals the pages show (recorded)", _counts),
    "past_the_end": ("a page past the end is empty and has counts (recorded)", _beyond),
    "page_price": ("a page costs 5 tokens (documented)", _page_price),
    "product_price": ("update=-1 costs a token for each product found (documented)", _product_price),
    "unknown_asin": ("an unknown ASIN comes back without data (documented)", _unknown_asin),
    "buybox_price": ("buybox=1 costs 2 tokens more a product (documented)", _buybox_price),
    "product_tells": ("/product tells {type} prices as documented", _product_tells),
    "product_agrees": ("/product and the feed tell the same {type} price", _product_agrees),
    "tick_period": ("a tick comes at most 2.5 % late (recorded: 60.3 s)", ticks.period),
    "refill_in": ("refillIn tells the same tick until it comes (recorded)", ticks.announced),
    "tick_tokens": ("a tick brings refillRate tokens, 60 ticks fill the bucket (documented)", ticks.tokens),
}
