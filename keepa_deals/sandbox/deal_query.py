"""The deal query: every option is understood or refused, none ignored (Keepa docs: Browsing Deals).

Numbers may come as text, as keepa.com's own "Show API query" has them (recorded: it honours that).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from keepa_deals.keepa.enums import DEAL_PRICE_TYPES, CsvType
from keepa_deals.sandbox.errors import BadRequest

MAX_CATEGORIES = 500
_NUMBER = re.compile(r"-?[0-9]{1,18}")
Range = tuple[int, int]

_FLAGS = frozenset(
    {
        "isFilterEnabled",
        "isRangeEnabled",
        "isLowest",
        "isLowest90",
        "isOutOfStock",
        "isBackInStock",
        "hasReviews",
        "filterErotic",
        "singleVariation",
        "mustHaveAmazonOffer",
        "mustNotHaveAmazonOffer",
    }
)
_UNSUPPORTED_FLAGS = frozenset({"isLowestOffer", "isHighest", "isRisers", "isPrimeExclusive"})
_RANGES = frozenset({"currentRange", "deltaRange", "deltaPercentRange", "deltaLastRange", "salesRankRange"})
_UNSUPPORTED_TEXTS = frozenset(
    {"brand", "manufacturer", "author", "binding", "productGroup", "model", "partNumber"}
)
_LISTS = frozenset({"includeCategories", "excludeCategories", "warehouseConditions"})


@dataclass(frozen=True)
class DealQuery:
    """A checked deal query. Ranges are ``(low, high)`` with ``None`` for no limit at all."""

    page: int
    domain_id: int
    kind: CsvType
    date_range: int
    sort_type: int
    flags: frozenset[str]
    ranges: Mapping[str, Range]
    include_categories: frozenset[int]
    exclude_categories: frozenset[int]
    warehouse_conditions: frozenset[int]
    min_rating: int
    title_words: tuple[str, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """The same for two queries that differ in the page only."""
        return (
            self.domain_id,
            self.kind,
            self.date_range,
            self.sort_type,
            self.flags,
            tuple(sorted(self.ranges.items())),
            self.include_categories,
            self.exclude_categories,
            self.warehouse_conditions,
            self.min_rating,
            self.title_words,
        )


def parse_query(raw: object, *, domain_ids: Collection[int]) -> DealQuery:
    """A query from its JSON; ``BadRequest`` names the first option that is wrong or not implemented."""
    if not isinstance(raw, Mapping):
        raise BadRequest("the selection must be a JSON object")
    for name in raw:
        _refuse_unknown(str(name), raw[name])
    for name in ("page", "domainId", "priceTypes"):
        if name not in raw:
            raise BadRequest(f"{name} is missing")
    flags = frozenset(name for name in _FLAGS if _flag(raw, name))
    domain = _integer(raw, "domainId", 0)
    if domain not in domain_ids:
        raise BadRequest(f"domainId {domain} is not one of {sorted(domain_ids)}")
    filters, ranges = "isFilterEnabled" in flags, "isRangeEnabled" in flags
    page = _integer(raw, "page", 0)
    if page < 0:
        raise BadRequest(f"page {page} must not be negative")
    return DealQuery(
        page=page,
        domain_id=domain,
        kind=_price_type(raw["priceTypes"]),
        date_range=_one_of(raw, "dateRange", 3, (0, 1, 2, 3)),
        sort_type=_one_of(raw, "sortType", 1, (1, 2, 3, 4, -1, -2, -3, -4)),
        flags=flags if filters else flags & {"isRangeEnabled"},
        ranges={n: _range(raw[n], n) for n in _RANGES if n in raw and raw[n] is not None} if ranges else {},
        include_categories=_numbers(raw, "includeCategories") if filters else frozenset(),
        exclude_categories=_numbers(raw, "excludeCategories") if filters else frozenset(),
        warehouse_conditions=_numbers(raw, "warehouseConditions") if filters else frozenset(),
        min_rating=_integer(raw, "minRating", -1) if filters else -1,
        title_words=_words(raw.get("titleSearch")) if filters else (),
    )


def _refuse_unknown(name: str, value: object) -> None:
    known = _FLAGS | _RANGES | _LISTS
    known |= {"page", "domainId", "priceTypes", "dateRange", "sortType", "minRating", "titleSearch"}
    if name in known:
        return
    if name in _UNSUPPORTED_FLAGS:
        if value in (False, None):
            return
        raise BadRequest(f"{name} is not implemented by the sandbox")
    if name in _UNSUPPORTED_TEXTS:
        if value in ("", None, []):
            return
        raise BadRequest(f"{name} is not implemented by the sandbox")
    raise BadRequest(f"{name} is not an option of a deal query")


def _flag(raw: Mapping[str, Any], name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false, not {value!r}")
    return value


def _integer(raw: Mapping[str, Any], name: str, default: int) -> int:
    value = _whole(raw.get(name, default))
    if value is None:
        raise BadRequest(f"{name} must be an integer, not {raw[name]!r}")
    return value


def _whole(value: object) -> int | None:
    """A whole number, also one in text; ``None`` for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return value if type(value) is int else None


def _all_whole(value: object, name: str, wanted: str) -> list[int]:
    numbers = [_whole(part) for part in value] if isinstance(value, list) else [None]
    if None in numbers:
        raise BadRequest(f"{name} must be {wanted}, not {value!r}")
    return [number for number in numbers if number is not None]


def _one_of(raw: Mapping[str, Any], name: str, default: int, allowed: tuple[int, ...]) -> int:
    value = _integer(raw, name, default)
    if value not in allowed:
        raise BadRequest(f"{name} {value} is not one of {', '.join(map(str, allowed))}")
    return value


def _price_type(value: object) -> CsvType:
    kind = _whole(value[0]) if isinstance(value, list) and len(value) == 1 else None
    if kind not in DEAL_PRICE_TYPES:
        allowed = ", ".join(str(int(kind)) for kind in sorted(DEAL_PRICE_TYPES))
        raise BadRequest(f"priceTypes must be a list of exactly one of {allowed}, not {value!r}")
    return CsvType(kind)


def _range(value: object, name: str) -> Range:
    numbers = _all_whole(value, name, "[min, max] of integers")
    if len(numbers) != 2:
        raise BadRequest(f"{name} must be [min, max] of integers, not {value!r}")
    low, high = numbers
    if name == "deltaPercentRange" and low < 10:
        raise BadRequest(f"deltaPercentRange must begin at 10 or more, not {low}")
    high = (1 << 62) if high == -1 else high
    if low > high:
        raise BadRequest(f"{name} [{low}, {high}] is empty")
    return low, high


def _numbers(raw: Mapping[str, Any], name: str) -> frozenset[int]:
    numbers = _all_whole(raw.get(name) or [], name, "a list of integers")
    if len(numbers) > MAX_CATEGORIES:
        raise BadRequest(f"{name} has {len(numbers)} entries; {MAX_CATEGORIES} are allowed")
    return frozenset(numbers)


def _words(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, str):
        raise BadRequest(f"titleSearch must be text, not {value!r}")
    return tuple(value.lower().split())
