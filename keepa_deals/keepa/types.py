"""Keepa's answers as frozen dataclasses (api_backend: Response.java, Deal.java, Product.java, Stats.java).

Prices are integers in the locale's smallest unit (cents; yen has none), ranks and counts integers.
Keepa's -1 (no offer) and -2 (not fetched) both become ``None``, and so does whatever is no such value
(``keepa.fields``): a strange optional field is unknown, an entry without its identity an error. Times are
aware UTC.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TypeVar

from keepa_deals.keepa import fields
from keepa_deals.keepa.envelope import BOUNDS as ACCOUNT_BOUNDS
from keepa_deals.keepa.envelope import Answer, StrangeAnswer, TokenEnvelope
from keepa_deals.keepa.fields import Json, is_asin
from keepa_deals.keepa.sanitize import image_name
from keepa_deals.keepa.time import from_keepa_minutes

__all__ = [
    "ACCOUNT_BOUNDS", "DEAL_PRICE_TYPES", "UNKNOWN_CATEGORY", "Answer", "CsvType", "Deal", "DealPage",
    "Interval", "PricePoint", "Product", "ProductBatch", "ProductStats", "StrangeAnswer", "TokenEnvelope",
    "at", "is_asin", "parse_history",
]  # fmt: skip

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
class Deal:
    """One entry of ``/deal`` (api_backend: Deal.java), the arrays as Keepa indexes them.

    ``current``, ``delta_last``, ``avg[interval]`` … are indexed by :class:`CsvType`; ``delta`` is
    average minus current, so a positive one means that the price fell. Where average or current value are
    unknown, so are ``delta`` and ``delta_percent`` (Keepa sends 0).
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
    delta_last: tuple[int | None, ...]
    delta: tuple[tuple[int | None, ...], ...]
    delta_percent: tuple[tuple[int | None, ...], ...]
    avg: tuple[tuple[int | None, ...], ...]

    @classmethod
    def from_json(cls, raw: Json) -> Deal:
        """Parsed from an entry of ``deals.dr``; ``KeyError`` or ``ValueError`` when it is none."""
        current = fields.amounts(raw.get("current"))
        avg = tuple(fields.amounts(row) for row in _rows(raw.get("avg")))
        return cls(
            asin=fields.asin_of(raw),
            parent_asin=_other_asin(raw.get("parentAsin")),
            title=fields.text(raw.get("title"), MOST_TITLE),
            root_category=_category(raw.get("rootCat")),
            categories=_categories(raw.get("categories")),
            image=image_name(raw.get("image")),
            creation_date=_date(raw, "creationDate"),
            last_update=_date(raw, "lastUpdate"),
            lightning_end=fields.moment(raw.get("lightningEnd")),
            warehouse_condition=fields.whole(raw.get("warehouseCondition"), 1),
            warehouse_comment=fields.text(raw.get("warehouseConditionComment"), MOST_TITLE) or None,
            current=current,
            current_since=tuple(fields.moment(t) for t in fields.entries(raw.get("currentSince"))),
            delta_last=fields.wholes(raw.get("deltaLast")),
            delta=_differences(raw.get("delta"), avg, current),
            delta_percent=_differences(raw.get("deltaPercent"), avg, current),
            avg=avg,
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
    is_lowest: tuple[bool | None, ...]
    is_lowest_90: tuple[bool | None, ...]
    sales_rank_drops_30: int | None
    sales_rank_drops_90: int | None
    sales_rank_drops_180: int | None
    sales_rank_drops_365: int | None
    out_of_stock_percentage_90: tuple[int | None, ...]
    total_offer_count: int | None
    buy_box_price: int | None
    buy_box_shipping: int | None

    not_fetched: frozenset[int] = frozenset()
    """The types whose current value Keepa has not fetched (-2): ``None`` does not mean "no offer" there."""

    @classmethod
    def from_json(cls, raw: Json) -> ProductStats:
        """Parsed from ``stats``; ``ValueError`` when the current values cannot be read.

        They decide whether a deal still holds: one that is strange must not pass for "no offer".
        """
        current = raw.get("current")
        if not isinstance(current, list) or any(
            fields.whole(x, -2) is None for x in current[: fields.MOST_TYPES]
        ):
            raise ValueError("stats.current is no list of whole numbers from -2 on")
        return cls(
            current=fields.amounts(current),
            avg=fields.amounts(raw.get("avg")),
            avg30=fields.amounts(raw.get("avg30")),
            avg90=fields.amounts(raw.get("avg90")),
            avg180=fields.amounts(raw.get("avg180")),
            avg365=fields.amounts(raw.get("avg365")),
            minimum=_extremes(raw.get("min")),
            maximum=_extremes(raw.get("max")),
            is_lowest=tuple(map(fields.flag, fields.entries(raw.get("isLowest")))),
            is_lowest_90=tuple(map(fields.flag, fields.entries(raw.get("isLowest90")))),
            sales_rank_drops_30=fields.amount(raw.get("salesRankDrops30")),
            sales_rank_drops_90=fields.amount(raw.get("salesRankDrops90")),
            sales_rank_drops_180=fields.amount(raw.get("salesRankDrops180")),
            sales_rank_drops_365=fields.amount(raw.get("salesRankDrops365")),
            out_of_stock_percentage_90=_percentages(raw.get("outOfStockPercentage90")),
            total_offer_count=fields.amount(raw.get("totalOfferCount")),
            buy_box_price=fields.amount(raw.get("buyBoxPrice")),
            buy_box_shipping=fields.amount(raw.get("buyBoxShipping")),
            not_fetched=frozenset(
                kind for kind, value in enumerate(current[: fields.MOST_TYPES]) if value == -2
            ),
        )

    @property
    def is_void(self) -> bool:
        """Whether there is neither a current value nor an average: what an unknown product has."""
        return not any(value is not None for row in (self.current, self.avg90, self.avg365) for value in row)


@dataclass(frozen=True, slots=True)
class Product:
    """One entry of ``/product`` (api_backend: Product.java), the fields that the project uses.

    ``referral_fee_percent`` may have decimals. ``fba_fee`` is the pick-and-pack fee in cents (Keepa's 0 means
    that it cannot be calculated). ``availability_amazon`` is -1 where Amazon has no offer, 0 in stock, above
    0 for kinds of back-order. ``history`` holds the types that came; a misshapen one is a ``ValueError`` when
    it is asked for. ``variations`` are the ASINs of the parent's children. ``new_price_is_map``: the price is
    hidden; Keepa tells it only with offers.
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
    new_price_is_map: bool | None = None

    @classmethod
    def from_json(cls, raw: Json, domain_id: int = 0) -> Product:
        """Parsed from an entry of ``products``; ``KeyError`` or ``ValueError`` when it is none.

        ``domain_id`` is the one that was asked for, where the entry tells none.
        """
        fees, stats = raw.get("fbaFees"), raw.get("stats")
        if not isinstance(stats, Mapping | None):
            raise ValueError("stats is no object")  # noqa: TRY004  # Keepa's fault, not a caller's
        return cls(
            asin=fields.asin_of(raw),
            domain_id=fields.whole(raw.get("domainId"), 1, 127) or domain_id,
            title=fields.text(raw.get("title"), MOST_TITLE),
            brand=fields.text(raw.get("brand"), MOST_BRAND) or None,
            root_category=_category(raw.get("rootCategory")),
            last_update=fields.moment(raw.get("lastUpdate")),
            fba_fee=fields.amount(fees.get("pickAndPackFee")) or None if isinstance(fees, Mapping) else None,
            referral_fee_percent=fields.real(raw.get("referralFeePercentage"), 0, 100),
            monthly_sold=fields.amount(raw.get("monthlySold")),
            availability_amazon=fields.whole(raw.get("availabilityAmazon"), -1),
            stats=ProductStats.from_json(stats) if stats else None,
            history=_Histories(raw.get("csv")),
            parent_asin=_other_asin(raw.get("parentAsin")),
            variations=_variations(raw),
            new_price_is_map=fields.flag(raw.get("newPriceIsMAP")),
        )

    @property
    def is_void(self) -> bool:
        """Whether Keepa has nothing of it: how it answers to an ASIN that it does not know."""
        return not self.title and (self.stats is None or self.stats.is_void) and not self.history


@dataclass(frozen=True, slots=True)
class ProductBatch:
    """The found products of one ``/product`` call; ASINs that Keepa does not know are in ``unknown``.

    Only what came back empty is unknown. Those whose entries cannot be read, or that the answer leaves out,
    are in ``unreadable``, and nothing is known of them. ``rejected`` are malformed: Keepa refuses every call
    that names one.
    """

    products: tuple[Product, ...]
    unknown: tuple[str, ...]
    envelope: TokenEnvelope | None
    """The account after the last call, with the price of all; ``None`` when nothing was left to ask for."""
    unreadable: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


MOST_TITLE = 2000
"""Characters: Amazon allows 200 to 500."""
MOST_BRAND = 500
UNKNOWN_CATEGORY = 9_223_372_036_854_775_807
"""The id that Keepa gives to deals whose root category it does not know."""


def at(values: Sequence[T], index: int) -> T | None:
    """``values[index]``, or ``None`` where the array is too short."""
    return values[index] if 0 <= index < len(values) else None


def parse_history(kind: CsvType, flat: Sequence[int]) -> tuple[PricePoint, ...]:
    """The points of one flat ``csv`` array: pairs, or triples for the types with shipping.

    Points at impossible times are left out.
    """
    step = _step(kind)
    if len(flat) % step:
        raise ValueError(f"history of {kind.name} has {len(flat)} numbers, not a multiple of {step}")
    return tuple(
        PricePoint(
            at=from_keepa_minutes(flat[i]),
            value=fields.amount(flat[i + 1]),
            shipping=fields.amount(flat[i + 2]) if step == 3 else None,
        )
        for i in range(0, len(flat), step)
        if 0 <= flat[i] <= fields.LATEST_MINUTE
    )


class _Histories(Mapping[CsvType, tuple[PricePoint, ...]]):
    """The histories that came, each parsed when it is asked for: an answer has twenty, and few are needed.

    One that holds anything but 64-bit numbers, or a part of a point, is a ``ValueError`` then.
    """

    def __init__(self, csv: object) -> None:
        came = {kind: flat for kind, flat in zip(CsvType, fields.entries(csv), strict=False) if flat}
        self._flat = {kind: _packed(flat) for kind, flat in came.items()}

    def __getitem__(self, kind: CsvType) -> tuple[PricePoint, ...]:
        flat = self._flat[kind]
        if flat is None:
            raise ValueError(f"history of {kind.name} is no list of whole numbers")
        return parse_history(kind, flat)

    def __iter__(self) -> Iterator[CsvType]:
        return iter(self._flat)

    def __len__(self) -> int:
        return len(self._flat)


def _packed(flat: object) -> Sequence[int] | None:
    """The numbers of a history in a quarter of a list's memory; ``None`` where they are none."""
    try:
        return array("q", flat) if isinstance(flat, list) else None
    except (TypeError, OverflowError):
        return None


def _step(kind: CsvType) -> int:
    """How many numbers a point of a history has."""
    return 3 if kind.has_shipping else 2


def _date(raw: Json, name: str) -> datetime:
    return from_keepa_minutes(fields.required(raw, name, 0, fields.LATEST_MINUTE))


def _rows(raw: object) -> Sequence[object]:
    return fields.entries(raw, fields.MOST_INTERVALS)


def _differences(
    raw: object, averages: Sequence[Sequence[int | None]], current: Sequence[int | None]
) -> tuple[tuple[int | None, ...], ...]:
    """The rows of ``delta`` or ``deltaPercent``, unknown where one of the two compared is."""
    return tuple(
        tuple(
            None if average is None or value is None else fields.whole(difference)
            for difference, average, value in zip(fields.entries(row), average_row, current, strict=False)
        )
        for row, average_row in zip(_rows(raw), averages, strict=False)
    )


def _category(value: object) -> int | None:
    return fields.whole(value, 1, UNKNOWN_CATEGORY - 1)


def _categories(raw: object) -> tuple[int, ...]:
    known = (_category(value) for value in fields.entries(raw))
    return tuple(category for category in known if category is not None)


def _other_asin(value: object) -> str | None:
    return str(value) if is_asin(value) else None


def _variations(raw: Json) -> tuple[str, ...]:
    """The ASINs of ``variations`` (objects), or of ``variationCSV``, which older answers carry instead."""
    objects = raw.get("variations")
    if isinstance(objects, list) and objects:
        return fields.asins([item.get("asin") for item in objects if isinstance(item, Mapping)])
    joined = raw.get("variationCSV")
    return fields.asins(joined.split(",")) if isinstance(joined, str) else ()


def _percentages(raw: object) -> tuple[int | None, ...]:
    return tuple(fields.whole(x, 0, 100) for x in fields.entries(raw))


def _extremes(raw: object) -> tuple[tuple[datetime, int] | None, ...]:
    return tuple(map(_extreme, fields.entries(raw)))


def _extreme(pair: object) -> tuple[datetime, int] | None:
    if not isinstance(pair, list) or len(pair) < 2:
        return None
    when, value = fields.moment(pair[0]), fields.amount(pair[1])
    return None if when is None or value is None else (when, value)
