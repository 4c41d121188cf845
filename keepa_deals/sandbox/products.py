"""The answer to a product query (Keepa docs: Request Products; api_backend: Product.java, Stats.java)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepa_deals.keepa.costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.keepa.types import CsvType
from keepa_deals.sandbox.catalogue import VALUES, Catalogue, Item
from keepa_deals.sandbox.deals import is_lowest
from keepa_deals.sandbox.errors import BadRequest
from keepa_deals.sandbox.facts import FAMILY_OF, Family, brand_of

DAY = 1440
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

    def cost(self, found: int) -> int:
        """Tokens for ``found`` products, by the documented table; data is never older than ``update``."""
        return found * self.options.documented_tokens_per_product()


def parse_product_query(raw: Mapping[str, str], *, domain_ids: frozenset[int]) -> ProductQuery:
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
    if domain not in domain_ids:
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
        "fbaFees": {"lastUpdate": facts.tracked_since, "pickAndPackFee": _fba_fee(catalogue, item)},
        "referralFeePercentage": 15.0 if catalogue.fraction(f"fee/{facts.index}") < 0.8 else 8.0,
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


def _fba_fee(catalogue: Catalogue, item: Item) -> int:
    """Cents; unknown for some products."""
    fraction = catalogue.fraction(f"fba/{item.facts.index}")
    return -1 if fraction > 0.95 else 306 + int(fraction * 900)


def _monthly_sold(item: Item) -> int:
    rank = item.facts.rank
    return -1 if rank < 0 or rank > 60_000 else max(50, 2_000_000 // (rank + 400) // 50 * 50)


def _histories(item: Item, options: ProductOptions, minute: int) -> list[list[int] | None]:
    start = item.facts.tracked_since
    if options.days is not None:
        start = max(start, minute - options.days * DAY)
    result: list[list[int] | None] = [None] * VALUES
    for kind, surcharge in item.facts.surcharges.items():
        flat: list[int] = []
        for when, value in item.series[FAMILY_OF[kind]].changes(start, minute):
            flat += [when, value + surcharge if value >= 0 else -1]
            if kind.has_shipping:
                flat.append(0 if value >= 0 else -1)
        result[kind] = flat
    if options.rating:
        for kind in (CsvType.RATING, CsvType.COUNT_REVIEWS):
            result[kind] = [start, item.value(kind, minute)]
    return result


def _stats(item: Item, options: ProductOptions, minute: int) -> dict[str, Any]:
    facts = item.facts
    days = options.stats_days or 90
    rank = item.series[Family.RANK]
    lowest, lowest_90 = (
        [k in facts.surcharges and is_lowest(item, k, start, minute) for k in map(CsvType, range(VALUES))]
        for start in (facts.tracked_since, minute - 90 * DAY)
    )
    buy_box = item.value(CsvType.BUY_BOX_SHIPPING, minute) if options.buybox else -2
    drops = {
        f"salesRankDrops{span}": rank.drops(minute - span * DAY, minute) if facts.rank > 0 else -1
        for span in (30, 90, 180, 365)
    }
    return {
        "current": item.values(minute),
        "avg": item.averages(minute - days * DAY, minute),
        "avg30": item.averages(minute - 30 * DAY, minute),
        "avg90": item.averages(minute - 90 * DAY, minute),
        "avg180": item.averages(minute - 180 * DAY, minute),
        "avg365": item.averages(minute - 365 * DAY, minute),
        "min": _extreme(item, 0, minute),
        "max": _extreme(item, 1, minute),
        "isLowest": lowest,
        "isLowest90": lowest_90,
        "outOfStockPercentage90": [
            item.series[FAMILY_OF[k]].absent_percent(minute - 90 * DAY, minute)
            if k in facts.surcharges
            else -1
            for k in map(CsvType, range(VALUES))
        ],
        "totalOfferCount": item.value(CsvType.COUNT_NEW, minute) + item.value(CsvType.COUNT_USED, minute),
        "buyBoxPrice": buy_box,
        "buyBoxShipping": min(0, buy_box),
        **drops,
    }


def _extreme(item: Item, which: int, minute: int) -> list[list[int] | None]:
    result: list[list[int] | None] = [None] * VALUES
    for kind, surcharge in item.facts.surcharges.items():
        found = item.series[FAMILY_OF[kind]].extremes(item.facts.tracked_since, minute)
        if found is not None:
            when, value = found[which]
            result[kind] = [when, value + surcharge]
    return result
