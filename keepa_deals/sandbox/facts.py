"""What never changes about a product of the catalogue, as a pure function of the seed and its number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from types import MappingProxyType

from keepa_deals.keepa.types import CsvType
from keepa_deals.sandbox import words
from keepa_deals.sandbox.draws import RANGE, chance, draws, pick

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ASIN_SPACE = 36**8
_ASIN_STEP = 1_299_709_000_003 * 2 - 1
"""Odd and no multiple of 3, so that multiplying by it permutes the numbers below 36 ** 8."""
_ASIN_STEP_BACK = pow(_ASIN_STEP, -1, _ASIN_SPACE)

SLOTS_PER_CYCLE = 16
CYCLES = 6
SLOW_SLOT = (780, 900)
"""Minutes between Keepa's looks at the few products that it neglects: more than its 12 hours."""
QUICK_SLOT = (45, 150)
SLOW_SHARE = 0.04
NO_RANK_SHARE = 0.03
VARIATION_SHARE = 0.2
VARIATIONS = 3
OLDEST_DAYS = 900
YOUNGEST_DAYS = 30
MINUTES_PER_DAY = 1440
_SHARES = list(accumulate(category.share for category in words.CATEGORIES))


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
    asin: str
    parent_asin: str | None
    category: words.Category
    child: int
    slot: int
    anchor: int
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


def timing_of(seed: str, index: int) -> tuple[int, int]:
    """The minutes between Keepa's looks at a product, and the minute from which they are counted.

    The anchors of successive products are spread by the golden ratio over their cycles, so that the
    number of live deals hardly varies.
    """
    d = draws(f"{seed}/when/{index}")
    low, high = SLOW_SLOT if chance(d[0], SLOW_SHARE) else QUICK_SLOT
    slot = pick(d[1], low, high)
    cycle = slot * SLOTS_PER_CYCLE
    spread = (index * 40503 + d[2] // 64) % RANGE
    return slot, spread * cycle * CYCLES // RANGE


def facts_of(seed: str, index: int) -> Facts:
    """Everything constant about product ``index``."""
    d = draws(f"{seed}/what/{index}")
    slot, anchor = timing_of(seed, index)
    category = words.CATEGORIES[bisect_right(_SHARES, pick(d[0], 0, _SHARES[-1] - 1))]
    # Few dear products, many cheap ones.
    price = category.price_low + (category.price_high - category.price_low) * d[1] * d[2] // RANGE**2
    price -= price % 100 - 99
    has_used = chance(d[3], category.used_percent / 100)
    return Facts(
        index=index,
        asin=asin_of(seed, index),
        parent_asin=_parent(seed, index),
        category=category,
        child=pick(d[5], 0, max(0, len(category.children) - 1)),
        slot=slot,
        anchor=anchor,
        tracked_since=_tracked_since(slot, anchor, d[6]),
        price=price,
        used_price=price * pick(d[7], 45, 85) // 100 if has_used else -1,
        rank=-1 if chance(d[8], NO_RANK_SHARE) else round(10 ** (1.5 + 5 * d[9] / RANGE)),
        rating=pick(d[10], 22, 49),
        reviews=0 if chance(d[11], 0.04) else pick(d[12], 1, 900),
        review_minutes=pick(d[13], 600, 20_000),
        offers_new=pick(d[14], 2, 14),
        offers_used=pick(d[15], 1, 22) if has_used else 0,
        warehouse_condition=pick(d[16], 2, 5),
        surcharges=_surcharges(d[17:], price, has_used=has_used, category=category),
    )


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
        "adjective": words.ADJECTIVES[pick(d[2], 0, len(words.ADJECTIVES) - 1)],
        "suffix": words.SUFFIXES[pick(d[3], 0, len(words.SUFFIXES) - 1)],
    }
    pattern = "{brand} {adjective} {noun}, {suffix}"
    if chance(d[4], words.HOSTILE_PERMILLE / 1000):
        pattern = words.HOSTILE_TITLES[pick(d[5], 0, len(words.HOSTILE_TITLES) - 1)]
    elif chance(d[6], words.MARKUP_PERCENT / 100):
        pattern = words.MARKUP_TITLES[pick(d[7], 0, len(words.MARKUP_TITLES) - 1)]
    return pattern.format_map(parts)


def brand_of(seed: str, index: int) -> str:
    return words.BRANDS[pick(draws(f"{seed}/brand/{index}")[0], 0, len(words.BRANDS) - 1)]


def _offset(seed: str) -> int:
    a, b, c = draws(f"{seed}/asin")[:3]
    return (a << 32 | b << 16 | c) % _ASIN_SPACE


def _parent(seed: str, index: int) -> str | None:
    """Some products are variations: neighbours that share a parent."""
    first = index - index % VARIATIONS
    family = draws(f"{seed}/variations/{first}")[0]
    return asin_of(seed, _ASIN_SPACE // 2 + first) if chance(family, VARIATION_SHARE) else None


def _tracked_since(slot: int, anchor: int, draw: int) -> int:
    """A slot's edge 30 to 900 days before the beginning of 2026, when no sandbox existed yet."""
    opened = 7_889_760 - pick(draw, YOUNGEST_DAYS, OLDEST_DAYS) * MINUTES_PER_DAY
    return anchor + (opened - anchor) // slot * slot


def _surcharges(
    d: tuple[int, ...], price: int, *, has_used: bool, category: words.Category
) -> Mapping[CsvType, int]:
    found = {CsvType.NEW: 0}
    if chance(d[0], 0.45):
        found[CsvType.AMAZON] = price * pick(d[1], 0, 3) // 100
    if chance(d[2], 0.6):
        found[CsvType.NEW_FBM_SHIPPING] = price * pick(d[3], 0, 8) // 100
    if chance(d[4], 0.75):
        found[CsvType.NEW_FBA] = price * pick(d[5], 0, 4) // 100
    if chance(d[6], 0.9):
        found[CsvType.BUY_BOX_SHIPPING] = price * pick(d[7], 0, 2) // 100
    if has_used:
        found[CsvType.USED] = 0
        found[CsvType.USED_ACCEPTABLE_SHIPPING] = 0
        for kind, draw in zip((21, 20, 19), d[8:11], strict=True):
            if chance(draw, 0.7):
                found[CsvType(kind)] = price * (24 - kind) * 3 // 100
        if chance(d[11], 0.35):
            found[CsvType.WAREHOUSE] = price * 4 // 100
        if chance(d[12], 0.5):
            found[CsvType.BUY_BOX_USED_SHIPPING] = price * 2 // 100
        if category.name == "Books" and chance(d[13], 0.2):
            found[CsvType.COLLECTIBLE] = price * 60 // 100
        if category.name in {"Electronics", "Video Games"} and chance(d[13], 0.4):
            found[CsvType.REFURBISHED] = price * 10 // 100
    found[CsvType.SALES] = 0
    return MappingProxyType(found)
