"""A product, and what a call for products brings (api_backend: Product.java, Stats.java).

Prices are integers in the locale's smallest unit, ranks and counts integers. What Keepa does not know, and
what is no such value (``keepa.fields``), is ``None``. Times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.keepa import fields
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.fields import MAX_TITLE, Json
from keepa_deals.keepa.history import Histories, PricePoint

MAX_BRAND = 500
MAX_SIDE = 1_000_000
"""Millimetres or grams: nothing that a warehouse takes has more."""


@dataclass(frozen=True, slots=True)
class ProductStats:
    """The part of ``stats`` that the project uses (api_backend: Stats.java), indexed by :class:`CsvType`."""

    current: tuple[int | None, ...]
    avg30: tuple[int | None, ...]
    avg90: tuple[int | None, ...]
    avg365: tuple[int | None, ...]
    is_lowest: tuple[bool | None, ...]
    is_lowest_90: tuple[bool | None, ...]
    sales_rank_drops_30: int | None
    sales_rank_drops_90: int | None
    total_offer_count: int | None
    buy_box_price: int | None
    avg180: tuple[int | None, ...] = ()
    out_of_stock_percent_90: tuple[int | None, ...] = ()
    """For which share of 90 days there was no offer of a type."""

    @classmethod
    def from_json(cls, raw: Json) -> ProductStats:
        """Parsed from ``stats``; ``ValueError`` when the current values cannot be read.

        They decide whether a deal still holds: one that is strange must not pass for "no offer".
        """
        current = raw.get("current")
        if not isinstance(current, list) or any(
            fields.whole(x, -2) is None for x in current[: fields.MAX_TYPES]
        ):
            raise ValueError("stats.current is no list of whole numbers from -2 on")
        return cls(
            current=fields.amounts(current),
            avg30=fields.amounts(raw.get("avg30")),
            avg90=fields.amounts(raw.get("avg90")),
            avg365=fields.amounts(raw.get("avg365")),
            is_lowest=tuple(map(fields.flag, fields.entries(raw.get("isLowest")))),
            is_lowest_90=tuple(map(fields.flag, fields.entries(raw.get("isLowest90")))),
            sales_rank_drops_30=fields.amount(raw.get("salesRankDrops30")),
            sales_rank_drops_90=fields.amount(raw.get("salesRankDrops90")),
            total_offer_count=fields.amount(raw.get("totalOfferCount")),
            buy_box_price=fields.amount(raw.get("buyBoxPrice")),
            avg180=fields.amounts(raw.get("avg180")),
            out_of_stock_percent_90=fields.amounts(raw.get("outOfStockPercentage90")),
        )

    @property
    def is_void(self) -> bool:
        """Whether there is neither a current value nor an average: what an unknown product has."""
        return not any(value is not None for row in (self.current, self.avg90, self.avg365) for value in row)


@dataclass(frozen=True, slots=True)
class Package:
    """The packed product: millimetres and grams. Keepa's 0 and -1 say that it is not known."""

    length: int | None = None
    width: int | None = None
    height: int | None = None
    weight: int | None = None

    @classmethod
    def from_json(cls, raw: Json) -> Package:
        """Parsed from the product itself."""
        names = ("packageLength", "packageWidth", "packageHeight", "packageWeight")
        return cls(*(fields.whole(raw.get(name), 1, MAX_SIDE) for name in names))


@dataclass(frozen=True, slots=True)
class Warnings:
    """What Keepa warns of; ``None`` where it tells nothing (docs: Product Object)."""

    heat_sensitive: bool | None = None
    hazardous: bool | None = None
    adult: bool | None = None
    hidden_price: bool | None = None
    """Whether the price of new ones is a minimum advertised price (MAP)."""

    @classmethod
    def from_json(cls, raw: Json) -> Warnings:
        """Parsed from the product itself."""
        materials = raw.get("hazardousMaterials")
        return cls(
            heat_sensitive=fields.flag(raw.get("isHeatSensitive")),
            hazardous=bool(materials) if isinstance(materials, list) else None,
            adult=fields.flag(raw.get("isAdultProduct")),
            hidden_price=fields.flag(raw.get("newPriceIsMAP")),
        )


@dataclass(frozen=True, slots=True)
class Product:
    """One entry of ``/product`` (api_backend: Product.java), the fields that the project uses.

    ``referral_fee_percent`` may have decimals. ``fba_fee`` is the pick-and-pack fee in cents (Keepa's 0 means
    that it cannot be calculated). ``availability_amazon`` is -1 where Amazon has no offer, 0 in stock, above
    0 for kinds of back-order. ``history`` holds the types that came; a misshapen one is a ``ValueError`` when
    it is asked for. ``variations`` are the ASINs of the parent's children. ``closing_fee`` is that of media:
    an entry without the field has none (recorded: two books have 180, two other products leave it out).
    ``return_rate`` is 1 for a low one, 2 for a high one.
    """

    asin: str
    domain_id: int
    title: str
    brand: str | None
    last_update: datetime | None
    fba_fee: int | None
    referral_fee_percent: float | None
    monthly_sold: int | None
    availability_amazon: int | None
    stats: ProductStats | None
    history: Mapping[CsvType, tuple[PricePoint, ...]]
    parent_asin: str | None = None
    variations: tuple[str, ...] = ()
    closing_fee: int | None = 0
    return_rate: int | None = None
    package: Package = Package()
    warnings: Warnings = Warnings()

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
            title=fields.text(raw.get("title"), MAX_TITLE),
            brand=fields.text(raw.get("brand"), MAX_BRAND) or None,
            last_update=fields.moment(raw.get("lastUpdate")),
            fba_fee=fields.amount(fees.get("pickAndPackFee")) or None if isinstance(fees, Mapping) else None,
            referral_fee_percent=fields.real(raw.get("referralFeePercentage"), 0, 100),
            monthly_sold=fields.amount(raw.get("monthlySold")),
            availability_amazon=fields.whole(raw.get("availabilityAmazon"), -1),
            stats=ProductStats.from_json(stats) if stats else None,
            history=Histories(raw.get("csv")),
            parent_asin=fields.other_asin(raw.get("parentAsin")),
            variations=_variations(raw),
            closing_fee=fields.amount(raw.get("variableClosingFee", 0)),
            return_rate=fields.whole(raw.get("returnRate"), 1, 2),
            package=Package.from_json(raw),
            warnings=Warnings.from_json(raw),
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


def _variations(raw: Json) -> tuple[str, ...]:
    """The ASINs of ``variations`` (objects), or of ``variationCSV``, which older answers carry instead."""
    objects = raw.get("variations")
    if isinstance(objects, list) and objects:
        return fields.asins([item.get("asin") for item in objects if isinstance(item, Mapping)])
    joined = raw.get("variationCSV")
    return fields.asins(joined.split(",")) if isinstance(joined, str) else ()
