"""Keepa's answers as frozen dataclasses (api_backend: Response.java, Deal.java, Product.java, Stats.java).

Prices are integers in the locale's smallest unit (cents; yen has none), ranks and counts integers.
Keepa's -1 (no offer) and -2 (not fetched) both become ``None``. Times are aware UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, TypeVar

from keepa_deals.keepa.texts import image_name, plain_text
from keepa_deals.keepa.time import from_keepa_minutes, from_unix_ms

Json = Mapping[str, Any]
T = TypeVar("T")


class CsvType(IntEnum):
    """The index of a kind of value in Keepa's arrays (api_backend: Product.CsvType)."""

    AMAZON = 0
    NEW = 1
    USED = 2
    SALES = 3
    LISTPRICE = 4
    COLLECTIBLE = 5
    REFURBISHED = 6
    NEW_FBM_SHIPPING = 7
    LIGHTNING_DEAL = 8
    WAREHOUSE = 9
    NEW_FBA = 10
    COUNT_NEW = 11
    COUNT_USED = 12
    COUNT_REFURBISHED = 13
    COUNT_COLLECTIBLE = 14
    EXTRA_INFO_UPDATES = 15
    RATING = 16
    COUNT_REVIEWS = 17
    BUY_BOX_SHIPPING = 18
    USED_NEW_SHIPPING = 19
    USED_VERY_GOOD_SHIPPING = 20
    USED_GOOD_SHIPPING = 21
    USED_ACCEPTABLE_SHIPPING = 22
    COLLECTIBLE_NEW_SHIPPING = 23
    COLLECTIBLE_VERY_GOOD_SHIPPING = 24
    COLLECTIBLE_GOOD_SHIPPING = 25
    COLLECTIBLE_ACCEPTABLE_SHIPPING = 26
    REFURBISHED_SHIPPING = 27
    EBAY_NEW_SHIPPING = 28
    EBAY_USED_SHIPPING = 29
    TRADE_IN = 30
    RENT = 31
    BUY_BOX_USED_SHIPPING = 32
    PRIME_EXCL = 33
    COUNT_NEW_FBA = 34
    COUNT_NEW_FBM = 35

    @property
    def has_shipping(self) -> bool:
        """Whether a history of this type comes in triples ``time, price, shipping``."""
        return self in _WITH_SHIPPING


_WITH_SHIPPING = frozenset({7, *range(18, 30), 32})

DEAL_PRICE_TYPES = frozenset(map(CsvType, (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 18, 19, 20, 21, 22, 32, 33)))
"""The price types that a deal query accepts (Keepa docs: Browsing Deals)."""


class Interval(IntEnum):
    """The index of a period in a deal's ``avg``, ``delta`` and ``deltaPercent`` arrays."""

    DAY = 0
    WEEK = 1
    MONTH = 2
    DAYS_90 = 3


@dataclass(frozen=True, slots=True)
class TokenEnvelope:
    """The account's state that every answer of Keepa carries (api_backend: Response.java).

    ``tokens_left`` may be negative; ``refill_in_ms`` runs to the next tick; ``refill_rate`` is in
    tokens a minute; ``tokens_consumed`` is the price of this very call.
    """

    timestamp_ms: int
    tokens_left: int
    refill_in_ms: int
    refill_rate: int
    token_flow_reduction: float
    tokens_consumed: int
    processing_time_ms: int

    @classmethod
    def from_json(cls, body: Json) -> TokenEnvelope:
        """Parsed from an answer's top level; ``KeyError``, ``TypeError``, ``ValueError`` when it is none."""
        return cls(
            timestamp_ms=int(body["timestamp"]),
            tokens_left=int(body["tokensLeft"]),
            refill_in_ms=int(body["refillIn"]),
            refill_rate=int(body["refillRate"]),
            token_flow_reduction=float(body.get("tokenFlowReduction") or 0.0),
            tokens_consumed=int(body.get("tokensConsumed") or 0),
            processing_time_ms=int(body.get("processingTimeInMs") or 0),
        )

    @property
    def timestamp(self) -> datetime:
        """Keepa's own clock when it answered."""
        return from_unix_ms(self.timestamp_ms)


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt at a call (``/deal``) ended, for whoever keeps a log of it.

    ``result`` is the HTTP status, ``unreadable`` for a 200 that could not be understood, ``no_answer``
    when the request was sent in vain, or ``no_connection``.
    """

    call: str
    result: str
    seconds: float
    envelope: TokenEnvelope | None = None


@dataclass(frozen=True, slots=True)
class Deal:
    """One entry of ``/deal`` (api_backend: Deal.java), the arrays as Keepa indexes them.

    ``current``, ``delta_last``, ``avg[interval]`` … are indexed by :class:`CsvType`; ``delta`` is
    average minus current, so a positive one means that the price fell.
    """

    asin: str
    parent_asin: str | None
    title: str
    root_category: int | None
    categories: tuple[int, ...]
    image: str | None
    creation_date: datetime
    last_update: datetime
    lightning_end: datetime | None
    warehouse_condition: int | None
    warehouse_comment: str | None
    current: tuple[int | None, ...]
    current_since: tuple[datetime | None, ...]
    delta_last: tuple[int, ...]
    delta: tuple[tuple[int, ...], ...]
    delta_percent: tuple[tuple[int, ...], ...]
    avg: tuple[tuple[int | None, ...], ...]

    @classmethod
    def from_json(cls, raw: Json) -> Deal:
        """Parsed from an entry of ``deals.dr``; ``KeyError`` or ``ValueError`` when it is none."""
        root = raw.get("rootCat")
        return cls(
            asin=_asin(raw),
            parent_asin=raw.get("parentAsin") or None,
            title=plain_text(raw.get("title")),
            root_category=root if root not in (0, UNKNOWN_CATEGORY) else None,
            categories=tuple(raw.get("categories") or ()),
            image=image_name(raw.get("image")),
            creation_date=from_keepa_minutes(int(raw["creationDate"])),
            last_update=from_keepa_minutes(int(raw["lastUpdate"])),
            lightning_end=_moment(raw.get("lightningEnd")),
            warehouse_condition=raw.get("warehouseCondition") or None,
            warehouse_comment=raw.get("warehouseConditionComment") or None,
            current=_values(raw.get("current")),
            current_since=tuple(_moment(t) for t in raw.get("currentSince") or ()),
            delta_last=tuple(raw.get("deltaLast") or ()),
            delta=tuple(tuple(row or ()) for row in raw.get("delta") or ()),
            delta_percent=tuple(tuple(row or ()) for row in raw.get("deltaPercent") or ()),
            avg=tuple(_values(row) for row in raw.get("avg") or ()),
        )

    def value(self, kind: CsvType) -> int | None:
        """The current value of one type: cents, rank, count or rating × 10."""
        return at(self.current, kind)

    def average(self, kind: CsvType, interval: Interval) -> int | None:
        """The average of one type over an interval, in the unit of the value."""
        return at(at(self.avg, interval) or (), kind)


@dataclass(frozen=True, slots=True)
class DealPage:
    """One page of ``/deal``: at most 150 deals, and how many the selection has by category.

    ``unreadable`` entries were left out of ``deals``; ``unreadable_asins`` are those of them whose ASIN can
    be read. ``deals_cached`` is the answer's ``dealsCached``: an older answer, given again.
    """

    deals: tuple[Deal, ...]
    category_names: Mapping[int, str]
    category_counts: Mapping[int, int]
    envelope: TokenEnvelope
    unreadable: int = 0
    deals_cached: bool = False
    unreadable_asins: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many entries came."""
        return len(self.deals) + self.unreadable


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One point of a history: ``value`` in cents, rank or count, shipping in cents where it is known."""

    at: datetime
    value: int | None
    shipping: int | None = None


@dataclass(frozen=True, slots=True)
class ProductStats:
    """The part of ``stats`` that the project uses (api_backend: Stats.java), indexed by :class:`CsvType`.

    ``minimum`` and ``maximum`` hold ``(when, value)``; percentages are integers from 0 to 100.
    """

    current: tuple[int | None, ...]
    avg: tuple[int | None, ...]
    avg30: tuple[int | None, ...]
    avg90: tuple[int | None, ...]
    avg180: tuple[int | None, ...]
    avg365: tuple[int | None, ...]
    minimum: tuple[tuple[datetime, int] | None, ...]
    maximum: tuple[tuple[datetime, int] | None, ...]
    is_lowest: tuple[bool, ...]
    is_lowest_90: tuple[bool, ...]
    sales_rank_drops_30: int | None
    sales_rank_drops_90: int | None
    sales_rank_drops_180: int | None
    sales_rank_drops_365: int | None
    out_of_stock_percentage_90: tuple[int | None, ...]
    total_offer_count: int | None
    buy_box_price: int | None
    buy_box_shipping: int | None

    @classmethod
    def from_json(cls, raw: Json) -> ProductStats:
        return cls(
            current=_values(raw.get("current")),
            avg=_values(raw.get("avg")),
            avg30=_values(raw.get("avg30")),
            avg90=_values(raw.get("avg90")),
            avg180=_values(raw.get("avg180")),
            avg365=_values(raw.get("avg365")),
            minimum=_extremes(raw.get("min")),
            maximum=_extremes(raw.get("max")),
            is_lowest=tuple(bool(x) for x in raw.get("isLowest") or ()),
            is_lowest_90=tuple(bool(x) for x in raw.get("isLowest90") or ()),
            sales_rank_drops_30=value_or_none(raw.get("salesRankDrops30")),
            sales_rank_drops_90=value_or_none(raw.get("salesRankDrops90")),
            sales_rank_drops_180=value_or_none(raw.get("salesRankDrops180")),
            sales_rank_drops_365=value_or_none(raw.get("salesRankDrops365")),
            out_of_stock_percentage_90=_values(raw.get("outOfStockPercentage90")),
            total_offer_count=value_or_none(raw.get("totalOfferCount")),
            buy_box_price=value_or_none(raw.get("buyBoxPrice")),
            buy_box_shipping=value_or_none(raw.get("buyBoxShipping")),
        )


@dataclass(frozen=True, slots=True)
class Product:
    """One entry of ``/product`` (api_backend: Product.java), the fields that the project uses.

    ``referral_fee_percent`` may have decimals; ``fba_fee`` is the pick-and-pack fee in cents; ``history``
    holds the types that came with the answer; one that is misshapen is a ``ValueError`` when it is asked for.
    ``variations`` are the ASINs of the parent's other children, or of the children where this is the parent.
    """

    asin: str
    domain_id: int
    title: str
    brand: str | None
    root_category: int | None
    last_update: datetime | None
    fba_fee: int | None
    referral_fee_percent: float | None
    monthly_sold: int | None
    availability_amazon: int | None
    stats: ProductStats | None
    history: Mapping[CsvType, tuple[PricePoint, ...]]
    parent_asin: str | None = None
    variations: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, raw: Json) -> Product:
        """Parsed from an entry of ``products``; ``KeyError`` or ``ValueError`` when it is none."""
        return cls(
            asin=_asin(raw),
            domain_id=int(raw["domainId"]),
            title=plain_text(raw.get("title")),
            brand=plain_text(raw.get("brand")) or None,
            root_category=raw.get("rootCategory") or None,
            last_update=_moment(raw.get("lastUpdate")),
            fba_fee=value_or_none((raw.get("fbaFees") or {}).get("pickAndPackFee")),
            referral_fee_percent=_percentage(raw.get("referralFeePercentage")),
            monthly_sold=value_or_none(raw.get("monthlySold")),
            availability_amazon=value_or_none(raw.get("availabilityAmazon")),
            stats=ProductStats.from_json(raw["stats"]) if raw.get("stats") else None,
            history=_Histories(raw.get("csv") or ()),
            parent_asin=raw.get("parentAsin") or None,
            variations=_variations(raw),
        )


@dataclass(frozen=True, slots=True)
class ProductBatch:
    """The found products of one ``/product`` call; ASINs that Keepa does not know are in ``unknown``.

    Those whose entries cannot be read, or that the answer leaves out, are in ``unreadable``, and nothing is
    known of them. ``rejected`` are malformed: Keepa refuses every call that names one.
    """

    products: tuple[Product, ...]
    unknown: tuple[str, ...]
    envelope: TokenEnvelope
    unreadable: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


MAX_ASIN = 16
"""What the column holds."""
UNKNOWN_CATEGORY = 9_223_372_036_854_775_807
"""The id that Keepa gives to deals whose root category it does not know."""


def value_or_none(value: int | None) -> int | None:
    """``value``, or ``None`` for Keepa's -1 (no offer) and -2 (not fetched)."""
    return value if value is not None and value >= 0 else None


def at(values: Sequence[T], index: int) -> T | None:
    """``values[index]``, or ``None`` where the array is too short."""
    return values[index] if 0 <= index < len(values) else None


def parse_history(kind: CsvType, flat: Sequence[int]) -> tuple[PricePoint, ...]:
    """The points of one flat ``csv`` array: pairs, or triples for the types with shipping."""
    step = 3 if kind.has_shipping else 2
    if len(flat) % step:
        raise ValueError(f"history of {kind.name} has {len(flat)} numbers, not a multiple of {step}")
    return tuple(
        PricePoint(
            at=from_keepa_minutes(flat[i]),
            value=value_or_none(flat[i + 1]),
            shipping=value_or_none(flat[i + 2]) if step == 3 else None,
        )
        for i in range(0, len(flat), step)
    )


class _Histories(Mapping[CsvType, tuple[PricePoint, ...]]):
    """The histories that came, each parsed when it is asked for: an answer has twenty, and few are needed."""

    def __init__(self, csv: Sequence[Sequence[int] | None]) -> None:
        self._flat = {kind: flat for kind, flat in zip(CsvType, csv, strict=False) if flat}

    def __getitem__(self, kind: CsvType) -> tuple[PricePoint, ...]:
        return parse_history(kind, self._flat[kind])

    def __iter__(self) -> Iterator[CsvType]:
        return iter(self._flat)

    def __len__(self) -> int:
        return len(self._flat)


_ASIN = re.compile(r"[A-Z0-9]{10}", re.ASCII)


def is_asin(value: object) -> bool:
    """Whether ``value`` is an ASIN: ten capital letters and digits, as in all of 5,324 recorded entries."""
    return isinstance(value, str) and _ASIN.fullmatch(value) is not None


def _asin(raw: Json) -> str:
    asin = raw["asin"]
    if not (isinstance(asin, str) and asin.isascii() and asin.isalnum() and len(asin) <= MAX_ASIN):
        raise ValueError(f"{asin!r:.40} is no ASIN")
    return asin


def _variations(raw: Json) -> tuple[str, ...]:
    """The ASINs of ``variations`` (objects), or of ``variationCSV``, which older answers carry instead."""
    objects = raw.get("variations")
    if objects:
        return tuple(variation["asin"] for variation in objects)
    return tuple(asin for asin in (raw.get("variationCSV") or "").split(",") if asin)


def _moment(minutes: int | None) -> datetime | None:
    return from_keepa_minutes(minutes) if minutes is not None and minutes > 0 else None


def _values(raw: Sequence[int | None] | None) -> tuple[int | None, ...]:
    return tuple(value_or_none(x) for x in raw or ())


def _extremes(raw: Sequence[Sequence[int] | None] | None) -> tuple[tuple[datetime, int] | None, ...]:
    return tuple((from_keepa_minutes(pair[0]), pair[1]) if pair else None for pair in raw or ())


def _percentage(value: float | None) -> float | None:
    return value if value is not None and value >= 0 else None
