"""What never changes about a product of the catalogue, as a pure function of the seed and its number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import accumulate
from types import MappingProxyType

from keepa_deals.keepa.enums import CsvType
from keepa_deals.sandbox.catalogue import vocabulary
from keepa_deals.sandbox.catalogue.prng import RANGE, chance, draws, pick

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ASIN_SPACE = 36**8
_ASIN_STEP = 1_299_709_000_003 * 2 - 1
"""Odd and no multiple of 3, so that multiplying by it permutes the numbers below 36 ** 8."""
_ASIN_STEP_BACK = pow(_ASIN_STEP, -1, _ASIN_SPACE)

NO_RANK_SHARE = 0.03
SLOW_SELLERS = 0.1
_RANKS, _SLOW_RANKS = (1.5, 5.35), (6.1, 6.6)
"""Powers of ten: of what sells, and of what hardly does; a rank's noise does not lead across 500,000."""
SIBLINGS = 2
"""How many siblings the first variation of a family has."""
_SIBLING_PERCENT = (88, 114)
"""A sibling's price, in percent of the first's."""
OLD_LIGHTNING_SHARE = 0.08
OLDEST_DAYS = 700
YOUNGEST_DAYS = 30
MINUTES_PER_DAY = 1440
_SHARES = list(accumulate(category.share for category in vocabulary.CATEGORIES))


class Family(IntEnum):
    """A group of values that move together; one timeline each."""

    NEW = 0
    USED = 1
    RANK = 2


FAMILY_OF: Mapping[CsvType, Family] = MappingProxyType(
    {
        CsvType.AMAZON: Family.NEW,
        CsvType.NEW: Family.NEW,
        CsvType.NEW_FBM_SHIPPING: Family.NEW,
        CsvType.NEW_FBA: Family.NEW,
        CsvType.BUY_BOX_SHIPPING: Family.NEW,
        CsvType.LIGHTNING_DEAL: Family.NEW,
        CsvType.PRIME_EXCL: Family.NEW,
        CsvType.USED: Family.USED,
        CsvType.COLLECTIBLE: Family.USED,
        CsvType.REFURBISHED: Family.USED,
        CsvType.WAREHOUSE: Family.USED,
        CsvType.USED_NEW_SHIPPING: Family.USED,
        CsvType.USED_VERY_GOOD_SHIPPING: Family.USED,
        CsvType.USED_GOOD_SHIPPING: Family.USED,
        CsvType.USED_ACCEPTABLE_SHIPPING: Family.USED,
        CsvType.BUY_BOX_USED_SHIPPING: Family.USED,
        CsvType.SALES: Family.RANK,
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """One product. Money in cents; ``surcharges`` says by how much a type's price exceeds its family's."""

    index: int
    head: int
    """The first product of its family: itself, when it has no siblings."""
    asin: str
    parent_asin: str | None
    category: vocabulary.Category
    child: int
    tracked_since: int
    price: int
    used_price: int
    rank: int
    rating: int
    reviews: int
    review_minutes: int
    offers_new: int
    offers_used: int
    warehouse_condition: int
    surcharges: Mapping[CsvType, int]

    @property
    def categories(self) -> tuple[int, ...]:
        """The ids of the nodes that the product is in, without its root."""
        return (self.category.children[self.child][0],) if self.category.children else ()

    def base(self, family: Family) -> int:
        """The ordinary value of a family: cents, or a sales rank."""
        return (self.price, self.used_price, self.rank)[family]


def asin_of(seed: str, index: int) -> str:
    """The ASIN of product ``index``: ``B0`` and eight characters that look random."""
    number = (index * _ASIN_STEP + _offset(seed)) % _ASIN_SPACE
    digits = []
    for _ in range(8):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "B0" + "".join(reversed(digits))


def index_of(seed: str, asin: str) -> int | None:
    """The number whose ASIN this is, in the catalogue or beyond; ``None`` for one of another shape."""
    if len(asin) != 10 or not asin.startswith("B0") or any(c not in _DIGITS for c in asin):
        return None
    return (int(asin[2:], 36) - _offset(seed)) * _ASIN_STEP_BACK % _ASIN_SPACE


def facts_of(seed: str, index: int) -> Facts:
    """Everything constant about product ``index``, which has no siblings."""
    d = draws(f"{seed}/what/{index}")
    category = vocabulary.CATEGORIES[bisect_right(_SHARES, pick(d[0], 0, _SHARES[-1] - 1))]
    # Few dear products, many cheap ones.
    price = category.price_low + (category.price_high - category.price_low) * d[1] * d[2] // RANGE**2
    price -= price % 100 - 99
    has_used = chance(d[3], category.used_percent / 100)
    return Facts(
        index=index,
        head=index,
        asin=asin_of(seed, index),
        parent_asin=None,
        category=category,
        child=pick(d[5], 0, max(0, len(category.children) - 1)),
        tracked_since=_tracked_since(d[6]),
        price=price,
        used_price=price * pick(d[7], 45, 85) // 100 if has_used else -1,
        rank=_rank(d[8], d[4], d[9]),
        rating=pick(d[10], 22, 49),
        reviews=0 if chance(d[11], 0.04) else pick(d[12], 1, 900),
        review_minutes=pick(d[13], 600, 20_000),
        offers_new=pick(d[14], 2, 14),
        offers_used=pick(d[15], 1, 22) if has_used else 0,
        warehouse_condition=pick(d[16], 2, 5),
        surcharges=_surcharges(d[17:], price, has_used=has_used, category=category),
    )


def variation_of(seed: str, head: int, index: int) -> Facts:
    """Product ``index`` of the family of ``head``: the same thing at another price, in another colour."""
    facts = facts_of(seed, head)
    percent = 100 if index == head else pick(draws(f"{seed}/variation/{index}")[0], *_SIBLING_PERCENT)
    used = facts.used_price * percent // 100 if facts.used_price >= 0 else -1
    return replace(
        facts,
        index=index,
        asin=asin_of(seed, index),
        parent_asin=asin_of(seed, _ASIN_SPACE // 2 + head),
        price=facts.price * percent // 100,
        used_price=used,
    )


def _rank(has_none: int, is_slow: int, draw: int) -> int:
    if chance(has_none, NO_RANK_SHARE):
        return -1
    low, high = _SLOW_RANKS if chance(is_slow, SLOW_SELLERS) else _RANKS
    return round(10 ** (low + (high - low) * draw / RANGE))


def lightning_of(seed: str, facts: Facts) -> tuple[int, int]:
    """Begin and end of the last lightning deal, years back for some products (recorded); 0 for none."""
    d = draws(f"{seed}/lightning/{facts.index}")
    if not chance(d[0], OLD_LIGHTNING_SHARE):
        return 0, 0
    begin = 2_000_000 + d[1] * 60
    return begin, begin + 360


def image_of(seed: str, index: int) -> str:
    """The name of the picture: of the right shape; nothing stands behind it."""
    d = draws(f"{seed}/image/{index}")
    alphabet = _DIGITS + _DIGITS[10:].lower()
    return f"{pick(d[0], 31, 81)}" + "".join(alphabet[pick(x, 0, 61)] for x in d[1:9]) + "L.jpg"


def title_of(seed: str, facts: Facts) -> str:
    """The title as Keepa sends it: some with markup and entities, a few hostile."""
    d = draws(f"{seed}/title/{facts.index}")
    parts = {
        "brand": brand_of(seed, facts.index),
        "noun": facts.category.nouns[pick(d[1], 0, len(facts.category.nouns) - 1)],
        "adjective": vocabulary.ADJECTIVES[pick(d[2], 0, len(vocabulary.ADJECTIVES) - 1)],
        "suffix": vocabulary.SUFFIXES[pick(d[3], 0, len(vocabulary.SUFFIXES) - 1)],
    }
    pattern = "{brand} {adjective} {noun}, {suffix}"
    if chance(d[4], vocabulary.HOSTILE_PERMILLE / 1000):
        pattern = vocabulary.HOSTILE_TITLES[pick(d[5], 0, len(vocabulary.HOSTILE_TITLES) - 1)]
    elif chance(d[6], vocabulary.MARKUP_PERCENT / 100):
        pattern = vocabulary.MARKUP_TITLES[pick(d[7], 0, len(vocabulary.MARKUP_TITLES) - 1)]
    return pattern.format_map(parts)


def brand_of(seed: str, index: int) -> str:
    return vocabulary.BRANDS[pick(draws(f"{seed}/brand/{index}")[0], 0, len(vocabulary.BRANDS) - 1)]


def _offset(seed: str) -> int:
    a, b, c = draws(f"{seed}/asin")[:3]
    return (a << 32 | b << 16 | c) % _ASIN_SPACE


def _tracked_since(draw: int) -> int:
    """30 to 700 days before the beginning of 2026, when no sandbox existed yet."""
    return 7_889_760 - pick(draw, YOUNGEST_DAYS, OLDEST_DAYS) * MINUTES_PER_DAY


def _surcharges(
    d: tuple[int, ...], price: int, *, has_used: bool, category: vocabulary.Category
) -> Mapping[CsvType, int]:
    amounts = {CsvType.NEW: 0}
    if chance(d[0], 0.45):
        amounts[CsvType.AMAZON] = price * pick(d[1], 0, 3) // 100
    if chance(d[2], 0.6):
        amounts[CsvType.NEW_FBM_SHIPPING] = price * pick(d[3], 0, 8) // 100
    if chance(d[4], 0.75):
        amounts[CsvType.NEW_FBA] = price * pick(d[5], 0, 4) // 100
    if chance(d[6], 0.9):
        amounts[CsvType.BUY_BOX_SHIPPING] = price * pick(d[7], 0, 2) // 100
    if has_used:
        amounts[CsvType.USED] = 0
        amounts[CsvType.USED_ACCEPTABLE_SHIPPING] = 0
        for kind, draw in zip((21, 20, 19), d[8:11], strict=True):
            if chance(draw, 0.7):
                amounts[CsvType(kind)] = price * (24 - kind) * 3 // 100
        if chance(d[11], 0.35):
            amounts[CsvType.WAREHOUSE] = price * 4 // 100
        if chance(d[12], 0.5):
            amounts[CsvType.BUY_BOX_USED_SHIPPING] = price * 2 // 100
        if category.name == "Books" and chance(d[13], 0.2):
            amounts[CsvType.COLLECTIBLE] = price * 60 // 100
        if category.name in {"Electronics", "Video Games"} and chance(d[13], 0.4):
            amounts[CsvType.REFURBISHED] = price * 10 // 100
    amounts[CsvType.SALES] = 0
    return MappingProxyType(amounts)
