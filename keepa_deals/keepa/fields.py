"""Single values of Keepa's answers, checked: what is no such value is unknown. Pure.

JSON says nothing of ranges and little of types. Numbers are Java ``int`` and ``long`` at Keepa (api_backend:
Deal.java, Product.java) and 32 or 64 bits wide in the tables, so a larger one is none of Keepa's; ``true``
is no number, and neither are ``NaN`` and ``Infinity``, which some servers send although JSON has none.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from keepa_deals.keepa.sanitize import plain_text
from keepa_deals.keepa.time import from_keepa_minutes

INT32 = 2**31 - 1
INT64 = 2**63 - 1
LATEST_MINUTE = 46_810_080
"""The Keepa minute of 2100-01-01: nothing that Keepa tells lies so far ahead."""
MAX_TITLE = 2000
"""Characters: Amazon allows 200 to 500."""
MAX_TYPES = 64
"""Entries of an array by type that are read: 34 were recorded in deals, 36 in products."""
MAX_INTERVALS = 8
"""Rows of ``avg`` and its like that are read: four are documented."""
_ASIN = re.compile(r"[A-Z0-9]{10}", re.ASCII)

Json = Mapping[str, Any]
T = TypeVar("T")


def is_asin(value: object) -> bool:
    """Whether ``value`` is an ASIN: ten capital letters and digits, as in all of 5,324 recorded entries."""
    return isinstance(value, str) and _ASIN.fullmatch(value) is not None


def asin_of(raw: Json) -> str:
    """The entry's ASIN; ``KeyError`` without one, ``ValueError`` for what is none."""
    asin = raw["asin"]
    if not is_asin(asin):
        raise ValueError(f"{reprlib.repr(asin)} is no ASIN")
    return str(asin)


def other_asin(value: object) -> str | None:
    """The ASIN of another product, where ``value`` is one."""
    return str(value) if is_asin(value) else None


def at(values: Sequence[T], index: int) -> T | None:
    """``values[index]``, or ``None`` where the array is too short."""
    return values[index] if 0 <= index < len(values) else None


def whole(value: object, least: int = -INT32 - 1, most: int = INT32) -> int | None:
    """``value`` where it is a whole number from ``least`` to ``most``."""
    return value if type(value) is int and least <= value <= most else None


def required(raw: Json, name: str, least: int, most: int) -> int:
    """The whole number ``raw[name]``; ``KeyError`` without it, ``ValueError`` naming what is none."""
    value = whole(raw[name], least, most)
    if value is None:
        raise ValueError(f"{name} is {reprlib.repr(raw[name])}, no whole number from {least} to {most}")
    return value


def real(value: object, least: float, most: float) -> float | None:
    """``value`` where it is a finite number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if least <= value <= most else None


def amount(value: object) -> int | None:
    """``value`` where it is one; ``None`` for Keepa's -1 (no offer) and -2 (not fetched), too."""
    return whole(value, 0)


def flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def text(value: object, most: int) -> str:
    """``value`` as plain text of at most ``most`` characters; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    plain = plain_text(value[: 4 * most])  # markup may be longer than its text
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def moment(minutes: object) -> datetime | None:
    """A Keepa time; ``None`` for 0 and -1, which say "never", and for what is no time."""
    known = whole(minutes, 1, LATEST_MINUTE)
    return None if known is None else from_keepa_minutes(known)


def entries(raw: object, most: int = MAX_TYPES) -> Sequence[Any]:
    """The first ``most`` elements of a list; none where there is no list."""
    return raw[:most] if isinstance(raw, list) else ()


def amounts(raw: object) -> tuple[int | None, ...]:
    """The amounts of an array by type."""
    return tuple(x if type(x) is int and 0 <= x <= INT32 else None for x in entries(raw))


def asins(raw: Sequence[object]) -> tuple[str, ...]:
    """Those of ``raw`` that are ASINs, each once."""
    return tuple(dict.fromkeys(str(value) for value in raw if is_asin(value)))
