"""What each option of a deal query takes, and a query in the form that Keepa documents.

The options: Keepa docs (Browsing Deals) and api_backend (DealRequest.java, as of 2.02). keepa.com's "Show API
query" exports some numbers as text, a range without bounds as ``[-1, -1]``, and options that are not
documented; a public script keeps the categories of the deals page's own address, which are nested lists.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from keepa_deals.errors import SettingsError
from keepa_deals.keepa.enums import DEAL_PRICE_TYPES, CsvType, Interval
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE, MAX_DEALS_PER_QUERY
from keepa_deals.marketplaces import MARKETPLACES

PRICE_TYPES = DEAL_PRICE_TYPES - {CsvType.SALES}
"""The price types whose deals have a price that can be kept: a fall of the sales rank has none."""
MAX_INT = 2**31 - 1
"""How Keepa writes an open upper end; its numbers are Java's ``int`` (categories ``long``)."""
MAX_LONG = 2**63 - 1
MAX_CATEGORIES = 500
MAX_TITLE_WORDS = 50
MIN_PERCENT = 10
LAST_PAGE = MAX_DEALS_PER_QUERY // DEALS_PER_PAGE
NO_BOUND = -1
WAREHOUSE_CONDITIONS = (1, 2, 3, 4, 5, 24)
"""1 new to 5 acceptable; the documentation gives "used - good" as 24, Keepa's own page as 4."""

RANGES = ("currentRange", "deltaRange", "deltaPercentRange", "deltaLastRange", "salesRankRange")
CATEGORIES = ("includeCategories", "excludeCategories")
SWITCHES = ("isFilterEnabled", "isRangeEnabled")
FLAGS: tuple[str, ...] = (
    *("isLowest", "isLowest90", "isLowestOffer", "isHighest", "isOutOfStock", "isBackInStock", "hasReviews"),
    *("filterErotic", "singleVariation", "isRisers", "isPrimeExclusive"),
    *("mustHaveAmazonOffer", "mustNotHaveAmazonOffer"),
)
TEXTS: tuple[str, ...] = (
    *("material", "type", "manufacturer", "brand", "productGroup", "model", "color", "size", "unitType"),
    *("scent", "itemForm", "pattern", "style", "itemTypeKeyword", "targetAudienceKeyword", "edition"),
    *("format", "author", "binding", "languages", "brandStoreName", "brandStoreUrlName"),
    *("websiteDisplayGroup", "websiteDisplayGroupName", "salesRankDisplayGroup"),
)

_NUMBER = re.compile(r"\s*-?\d{1,19}\s*", re.ASCII)
_LONG_TOKEN = re.compile(r"\w{40,}", re.ASCII)
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 1000
_MIN_BOUNDS = {"currentRange": 0, "salesRankRange": 0, "deltaPercentRange": MIN_PERCENT}
"""The lowest bound of a range; the deltas of risen prices may be negative."""


class _NotAllowed(Exception):  # noqa: N818  # says what is allowed, and becomes a SettingsError
    """The value is none of those that are allowed; the text says which are."""


Reader = Callable[[object], Any]
"""The value as Keepa documents it, ``None`` for one that says "not used"."""


def normalise(raw: object) -> dict[str, Any]:
    """The deal query ``raw`` (parsed JSON) in the documented form: the known options, numbers as integers.

    Left out are unknown options, ``null`` and ranges without bounds. ``page`` is 0, and a missing
    ``dateRange`` is written down, so that what is asked is what we judge by. A ``SettingsError`` names the
    first option that cannot be used, its value and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise SettingsError(f'{quoted(raw)}: must be a JSON object, such as {{"priceTypes": [1], …}}')
    query: dict[str, Any] = {"dateRange": int(Interval.DAYS_90)}
    for name, read in READERS.items():
        value = raw.get(name)
        if value is None and name != "priceTypes":
            continue
        try:
            read_value = read(value)
        except _NotAllowed as allowed:
            raise SettingsError(f"{name} is {quoted(value)}: must be {allowed}") from None
        if read_value is not None:
            query[name] = read_value
    return {**query, "page": 0}


def unknown_options(raw: Mapping[str, Any]) -> list[str]:
    """The names in a query that are no option of one."""
    return [str(name) for name in raw if name not in READERS]


def quoted(value: object) -> str:
    """A value for a message: short, on one line, without what could be a key."""
    if value is None:
        return "missing"
    if isinstance(value, list | tuple) and len(value) > MAX_CATEGORIES:
        return f"a list of {len(value)}"
    text = _LONG_TOKEN.sub("…", _SHORT.repr(value))
    return text if len(text) <= 60 else f"{text[:59]}…"


# -- readers ---------------------------------------------------------------------------------
def _integer(value: object) -> int | None:
    """An integer, or one that came as text; ``None`` for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _whole(low: int, high: int, words: str) -> Reader:
    def read(value: object) -> int:
        number = _integer(value)
        if number is None or not low <= number <= high:
            raise _NotAllowed(words)
        return number

    return read


def _one_of(allowed: Collection[int], words: str) -> Reader:
    def read(value: object) -> int:
        number = _integer(value)
        if number is None or number not in allowed:
            raise _NotAllowed(words)
        return number

    return read


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise _NotAllowed("true or false")


def _price_types(value: object) -> list[int]:
    given = list(value) if isinstance(value, list | tuple) else [value]
    kinds = [_integer(kind) for kind in given]
    if kinds == [CsvType.SALES]:
        raise _NotAllowed(
            f"a list of exactly one of {_listed(PRICE_TYPES)}; 3, the sales rank, has no price to keep or to "
            "sell at (salesRankRange narrows the deals of a price by rank)"
        )
    if len(kinds) != 1 or kinds[0] not in PRICE_TYPES:
        raise _NotAllowed(f"a list of exactly one of {_listed(PRICE_TYPES)}")
    return [int(kinds[0])]


def _categories(value: object) -> list[int]:
    allowed = f"a list of at most {MAX_CATEGORIES} category ids, which are whole numbers"
    if not isinstance(value, list | tuple):
        raise _NotAllowed(allowed)
    categories = []
    for item in _flat(value):
        number = _integer(item)
        if number is None or not 0 <= number <= MAX_LONG:
            raise _NotAllowed(allowed)
        categories.append(number)
    if len(categories) > MAX_CATEGORIES:
        raise _NotAllowed(allowed)
    return categories


def _flat(values: list[object] | tuple[object, ...]) -> Iterator[object]:
    """The categories one by one, also those of the deals page's address: a list of lists."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _conditions(value: object) -> list[int]:
    given = value if isinstance(value, list | tuple) else [value]
    numbers = [_integer(item) for item in given]
    conditions = [number for number in numbers if number is not None and number in WAREHOUSE_CONDITIONS]
    if len(conditions) < len(numbers):
        raise _NotAllowed(f"a list of some of {', '.join(map(str, WAREHOUSE_CONDITIONS))}")
    return conditions


def _range(name: str) -> Reader:
    least = _MIN_BOUNDS.get(name, -MAX_INT)
    start = "" if name not in _MIN_BOUNDS else f", not below {least}"
    allowed = f"[min, max] of whole numbers{start}, min not above max (-1: open end)"

    def read(value: object) -> list[int] | None:
        ends = [_integer(end) for end in value] if isinstance(value, list | tuple) else []
        if len(ends) != 2 or None in ends:
            raise _NotAllowed(allowed)
        low, high = (end or 0 for end in ends)
        if low == high == NO_BOUND:
            return None
        high = MAX_INT if high == NO_BOUND <= low else high  # a fall by -500 to -1 is a rise
        low = least if low == NO_BOUND and name in _MIN_BOUNDS else low
        if not least <= low <= high <= MAX_INT:
            raise _NotAllowed(allowed)
        return [low, high]

    return read


def _text(value: object) -> str | None:
    """A text, or a number as text; ``None`` for anything else."""
    if isinstance(value, str):
        return value
    if type(value) is int or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    return None


def _texts(value: object) -> list[str]:
    given = value if isinstance(value, list | tuple) else [value]
    texts = [_text(item) for item in given]
    if None in texts:
        raise _NotAllowed("a list of texts")
    return [text for text in texts if text]


def _title(value: object) -> str:
    text = _text(value)
    if text is None or len(text.split()) > MAX_TITLE_WORDS:
        raise _NotAllowed(f"a text of at most {MAX_TITLE_WORDS} words")
    return text


def _listed(numbers: Collection[int]) -> str:
    return ", ".join(str(int(number)) for number in sorted(numbers))


READERS: Mapping[str, Reader] = {
    "page": _whole(0, LAST_PAGE, f"a page from 0 to {LAST_PAGE}"),
    "domainId": _one_of(MARKETPLACES, f"one of {_listed(MARKETPLACES)}"),
    "priceTypes": _price_types,
    "dateRange": _one_of(tuple(Interval), "0 (day), 1 (week), 2 (month) or 3 (90 days)"),
    "sortType": _one_of((1, 2, 3, 4, -2, -3, -4), "1 (newest first), or 2, 3, 4 or their negative"),
    "minRating": _whole(-1, 50, "a rating from 0 to 50 (45: 4.5 stars), or -1 for none"),
    "titleSearch": _title,
    "warehouseConditions": _conditions,
    **dict.fromkeys(CATEGORIES, _categories),
    **{name: _range(name) for name in RANGES},
    **dict.fromkeys((*SWITCHES, *FLAGS), _flag),
    **dict.fromkeys(TEXTS, _texts),
}
"""Every documented option of a deal query, and how its value is read."""
