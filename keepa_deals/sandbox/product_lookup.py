"""The answer to a product query (Keepa docs: Request Products; api_backend: Product.java, Stats.java)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.token_costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.sandbox.catalogue.catalogue import VALUES, Catalogue, Item
from keepa_deals.sandbox.catalogue.product_traits import FAMILY_OF, Family, brand_of
from keepa_deals.sandbox.catalogue.series import Extremes
from keepa_deals.sandbox.deal_matching import is_lowest
from keepa_deals.sandbox.errors import BadRequest

DAY = 1440
FRESH_MINUTES = 60
"""The age up to which Keepa answers from what it has (documented: about an hour)."""
BUY_BOX = frozenset({CsvType.BUY_BOX_SHIPPING, CsvType.BUY_BOX_USED_SHIPPING})
"""Told for ``buybox=1`` or ``offers`` alone."""
OFFERS_ONLY = frozenset(map(CsvType, (7, 9, 10, 16, 17, *range(19, 28), 31, 33)))
"""Told for ``offers`` alone, which the sandbox does not have (and the rating for ``rating=1``)."""
RATINGS = frozenset({CsvType.RATING, CsvType.COUNT_REVIEWS})
CLOSING_FEE_CENTS = 180
MEDIA = frozenset({"Books", "Video Games"})
"""Categories of which Amazon takes a variable closing fee."""
_SWITCHES = ("history", "rating", "buybox")
_NEEDED_OFF = ("stock", "videos", "aplus", "only-live-offers", "rental", "historical-variations")
_NUMBERS = ("stats", "days", "update")
_KNOWN = {"key", "domain", "asin", "offers", "code", *_SWITCHES, *_NEEDED_OFF, *_NUMBERS}


@dataclass(frozen=True)
class ProductQuery:
    """A checked product query; ``stats_days`` and ``days`` are ``None`` when not asked for."""

    asins: tuple[str, ...]
    domain_id: int
    options: ProductOptions

    def cost(self, count: int) -> int:
        """Tokens for ``count`` products by the documented table, without :meth:`surcharge`."""
        return count * replace(self.options, update_hours=None).documented_tokens_per_product()

    def refreshes(self, age_minutes: int) -> bool:
        """Whether Keepa looks at Amazon again for a product that it looked at so long ago."""
        hours = self.options.update_hours
        return age_minutes > FRESH_MINUTES if hours is None else 0 <= hours * 60 <= age_minutes

    def surcharge(self, age_minutes: int) -> int:
        """The token more that ``update=0`` costs while Keepa's data is fresh anyway."""
        return int(self.options.update_hours == 0 and age_minutes < FRESH_MINUTES)


def parse_product_query(raw: Mapping[str, str], *, domain_ids: Collection[int]) -> ProductQuery:
    """A query from the URL's parameters; ``BadRequest`` names what is wrong or not implemented."""
    for name in raw:
        if name not in _KNOWN:
            raise BadRequest(f"{name} is not an option of a product query that the sandbox implements")
    for name in (*_NEEDED_OFF, "offers", "code"):
        if raw.get(name) not in (None, "", "0"):
            raise BadRequest(f"{name}={raw[name]} is not implemented by the sandbox")
    asins = tuple(part for part in raw.get("asin", "").split(",") if part)
    if not 1 <= len(asins) <= MAX_ASINS_PER_REQUEST:
        raise BadRequest(f"asin holds {len(asins)} ASINs; 1 to {MAX_ASINS_PER_REQUEST} are allowed")
    domain = _number(raw, "domain")
    if domain is None or domain not in domain_ids:
        raise BadRequest(f"domain {domain} is not one of {sorted(domain_ids)}")
    options = ProductOptions(
        stats_days=_number(raw, "stats"),
        history=_switch(raw, "history", default=True),
        days=_number(raw, "days"),
        rating=_switch(raw, "rating"),
        buybox=_switch(raw, "buybox"),
        update_hours=_number(raw, "update"),
    )
    return ProductQuery(asins, domain, options)


def _number(raw: Mapping[str, str], name: str) -> int | None:
    value = raw.get(name)
    if value in (None, ""):
        return None
    try:
        number = int(str(value))
    except ValueError:
        raise BadRequest(f"{name} must be a whole number, not {value!r}") from None
    if number < (-1 if name == "update" else 0 if name == "domain" else 1):
        raise BadRequest(f"{name}={number} is too small")
    return number


def _switch(raw: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    value = raw.get(name)
    if value is None:
        return default
    if value not in ("0", "1"):
        raise BadRequest(f"{name} must be 0 or 1, not {value!r}")
    return value == "1"


def describe(catalogue: Catalogue, item: Item, query: ProductQuery, minute: int) -> dict[str, Any]:
    """One entry of ``products``, consistent with what ``/deal`` says at the same minute."""
    facts, options = item.facts, query.options
    tree = [{"catId": facts.category.id, "name": facts.category.name}]
    tree += [{"catId": c, "name": n} for c, n in facts.category.children if c in facts.categories]
    fees = fees_of(catalogue, item)
    entry: dict[str, Any] = {
        "asin": facts.asin,
        "domainId": query.domain_id,
        "productType": 0,
        "title": catalogue.title(item),
        "brand": brand_of(catalogue.seed, facts.index),
        "parentAsin": facts.parent_asin,
        "rootCategory": facts.category.id,
        "categories": list(facts.categories) or [facts.category.id],
        "categoryTree": tree,
        "images": [{"l": catalogue.image(item), "lH": 500, "lW": 500}],
        "trackingSince": facts.tracked_since,
        "listedSince": facts.tracked_since,
        "lastUpdate": item.last_update(minute),
        "variations": _variations(catalogue, item),
        "fbaFees": {"lastUpdate": facts.tracked_since, "pickAndPackFee": fees.fulfilment},
        "variableClosingFee": fees.closing,
        "isAdultProduct": False,
        "isHeatSensitive": "Chocolate" in (catalogue.title(item) or ""),
        **_return_rate(catalogue, item),
        **_package(catalogue, item),
        "newPriceIsMAP": catalogue.fraction(f"map/{facts.index}") < 0.01,
        "referralFeePercentage": fees.referral_percent,
        "monthlySold": _monthly_sold(item),
        "availabilityAmazon": 0 if item.value(CsvType.AMAZON, minute) >= 0 else -1,
        "offersSuccessful": False,
        "csv": _histories(item, options, minute) if options.history else None,
    }
    if options.stats_days is not None:
        entry["stats"] = _stats(item, options, minute)
    return entry


def unknown(asin: str, domain_id: int) -> dict[str, Any]:
    """What Keepa says of an ASIN that it does not know: no title, no data."""
    return {"asin": asin, "domainId": domain_id, "productType": 5, "title": None, "csv": None}


class ProductFees(NamedTuple):
    """Fees of a product, in cents; no ``fulfilment`` fee where it cannot be calculated, as for some."""

    referral_percent: float
    closing: int
    fulfilment: int


def fees_of(catalogue: Catalogue, item: Item) -> ProductFees:
    """What Amazon takes of a product, whoever asks for it."""
    facts = item.facts
    fraction = catalogue.fraction(f"fba/{facts.index}")
    return ProductFees(
        15.0 if catalogue.fraction(f"fee/{facts.index}") < 0.8 else 8.0,
        CLOSING_FEE_CENTS if facts.category.name in MEDIA else 0,
        0 if fraction > 0.95 else 306 + int(fraction * 900),
    )


def _package(catalogue: Catalogue, item: Item) -> dict[str, int]:
    """Millimetres and grams; 0 where they are not known, as for one in twenty. The sizes are assumed."""
    fraction = catalogue.fraction(f"package/{item.facts.index}")
    if fraction < 0.05:
        return dict.fromkeys(("packageLength", "packageWidth", "packageHeight", "packageWeight"), 0)
    length = 120 + int(fraction**3 * 700)
    sides = {"packageLength": length, "packageWidth": length * 2 // 3, "packageHeight": length // 5}
    return {**sides, "packageWeight": 100 + int(fraction**2 * 6000)}


def _return_rate(catalogue: Catalogue, item: Item) -> dict[str, int]:
    """1 for a low return rate, 2 for a high one (api_backend: Product.java); without the field where it is
    average or unavailable, as in three recorded products. The shares are assumed."""
    fraction = catalogue.fraction(f"returns/{item.facts.index}")
    return {"returnRate": 1} if fraction < 0.1 else {"returnRate": 2} if fraction > 0.95 else {}


def _variations(catalogue: Catalogue, item: Item) -> list[dict[str, Any]] | None:
    """The family with what tells its members apart (api_backend: Product.java); ``None`` without siblings."""
    family = catalogue.variations(item.facts.head)
    if len(family) == 1:
        return None
    colours = ("Black", "Blue", "Red")
    return [
        {
            "asin": catalogue.item(index).facts.asin,
            "attributes": [{"dimension": "Color", "value": colours[place % len(colours)]}],
        }
        for place, index in enumerate(family)
    ]


def _told(options: ProductOptions) -> frozenset[CsvType]:
    """The types that an answer tells; the others look as if there were no offer."""
    hidden = OFFERS_ONLY - (RATINGS if options.rating else frozenset())
    return frozenset(CsvType) - hidden - (frozenset() if options.buybox else BUY_BOX)


def _only(told: frozenset[CsvType], values: list[int]) -> list[int]:
    return [value if kind in told else -1 for kind, value in zip(CsvType, values, strict=True)]


def _monthly_sold(item: Item) -> int:
    rank = item.facts.rank
    return -1 if rank < 0 or rank > 60_000 else max(50, 2_000_000 // (rank + 400) // 50 * 50)


def _histories(item: Item, options: ProductOptions, minute: int) -> list[list[int] | None]:
    start = item.facts.tracked_since
    if options.days is not None:
        start = max(start, minute - options.days * DAY)
    told = _told(options)
    changes = {family: list(series.changes(start, minute)) for family, series in item.series.items()}
    result: list[list[int] | None] = [None] * VALUES
    for kind, surcharge in item.facts.surcharges.items():
        if kind not in told:
            continue
        flat: list[int] = []
        for when, value in changes[FAMILY_OF[kind]]:
            flat += [when, value + surcharge if value >= 0 else -1]
            if kind.has_shipping:
                flat.append(0 if value >= 0 else -1)
        result[kind] = flat
    if options.rating:
        for kind in (CsvType.RATING, CsvType.COUNT_REVIEWS):
            result[kind] = [start, item.value(kind, minute)]
    return result


def _stats(item: Item, options: ProductOptions, minute: int) -> dict[str, Any]:
    facts, told = item.facts, _told(options)
    kinds = [kind if kind in facts.surcharges and kind in told else None for kind in CsvType]
    quarter = minute - 90 * DAY
    ever = _extremes(item, facts.tracked_since, minute)
    lately = _extremes(item, quarter, minute)
    buy_box = item.value(CsvType.BUY_BOX_SHIPPING, minute) if options.buybox else -2
    spans = {"avg": options.stats_days or 90, "avg30": 30, "avg90": 90, "avg180": 180, "avg365": 365}
    return {
        "current": _only(told, item.values(minute)),
        **{name: _only(told, item.averages(days * DAY, minute)) for name, days in spans.items()},
        "min": _extreme(item, told, ever, 0),
        "max": _extreme(item, told, ever, 1),
        "isLowest": _are_lowest(item, kinds, ever, minute),
        "isLowest90": _are_lowest(item, kinds, lately, minute),
        "outOfStockPercentage90": [
            item.series[FAMILY_OF[kind]].absent_percent(quarter, minute) if kind is not None else -1
            for kind in kinds
        ],
        "totalOfferCount": item.value(CsvType.COUNT_NEW, minute) + item.value(CsvType.COUNT_USED, minute),
        "buyBoxPrice": buy_box,
        "buyBoxShipping": min(0, buy_box),
        **{f"salesRankDrops{days}": drops for days, drops in item.rank_drops(minute).items()},
    }


def _extremes(item: Item, start: int, minute: int) -> dict[Family, Extremes | None]:
    return {family: series.extremes(start, minute) for family, series in item.series.items()}


def _are_lowest(
    item: Item, kinds: Collection[CsvType | None], extremes: dict[Family, Extremes | None], minute: int
) -> list[bool]:
    return [kind is not None and is_lowest(item, kind, minute, extremes[FAMILY_OF[kind]]) for kind in kinds]


def _extreme(
    item: Item, told: frozenset[CsvType], extremes: dict[Family, Extremes | None], which: int
) -> list[list[int] | None]:
    result: list[list[int] | None] = [None] * VALUES
    for kind, surcharge in item.facts.surcharges.items():
        extreme = extremes[FAMILY_OF[kind]]
        if extreme is not None and kind in told:
            when, value = extreme[which]
            result[kind] = [when, value + surcharge]
    return result
