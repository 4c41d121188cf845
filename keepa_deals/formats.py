"""How numbers, ages and moments are written: one table, by which the pages and their scripts both format.

``rules`` puts the table into every page; ``static/formats.js`` writes by it what the functions here write.
Both count in whole numbers, halves away from zero: a binary fraction of 34.25 % has no half to round.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.numbers import get_currency_precision, get_currency_symbol

UNKNOWN = "–"
MINUS = "−"
"""One minus sign, wherever people read."""


@dataclass(frozen=True, slots=True)
class Notation:
    """How one kind of number is written, which is stored in units of ``10 ** -digits``."""

    digits: int
    places: int
    """Decimal places shown."""
    before: str = ""
    after: str = ""
    decimal: str = "."
    group: str = ","
    first_group: int = 3
    """Digits from the decimal sign to the first separator."""
    next_groups: int = 3
    """Digits between two separators: 2 in India."""


COUNT = Notation(0, 0)
PERCENT = Notation(2, 0, after=" %")
"""Basis points as whole percent: ``35 %``."""
PERCENT_TENTHS = Notation(2, 1, after=" %")
"""Basis points with a tenth of a percent: ``35.4 %``."""
STARS = Notation(1, 1)
SECONDS = Notation(3, 0, after=" s")
"""Milliseconds as whole seconds: ``12 s``."""

SPANS = ((60, 3600, "min"), (3600, 48 * 3600, "h"), (86_400, None, "d"))
"""Lengths of time: the unit in seconds, up to how many seconds it is used, its name."""
NO_AGE = "just now"
AGE = "{} ago"
MOMENT = "%Y-%m-%d %H:%M"
CLOCK = "%H:%M:%S"


def write(value: int | None, notation: Notation) -> str:
    """``value`` in its notation; a dash when it is not known."""
    if value is None:
        return UNKNOWN
    size = _scaled(abs(value), notation.places - notation.digits)
    text = str(size).rjust(notation.places + 1, "0")
    whole, part = text[: len(text) - notation.places], text[len(text) - notation.places :]
    number = _grouped(whole, notation) + (notation.decimal + part if part else "")
    return f"{MINUS if value < 0 and size else ''}{notation.before}{number}{notation.after}"


def _scaled(size: int, power: int) -> int:
    """``size · 10 ** power`` to the nearest whole number, halves away from zero."""
    unit: int = 10 ** abs(power)
    if power >= 0:
        return size * unit
    return (2 * size + unit) // (2 * unit)


def _grouped(digits: str, notation: Notation) -> str:
    parts, rest, length = [], digits, notation.first_group
    while len(rest) > length:
        parts.append(rest[-length:])
        rest, length = rest[:-length], notation.next_groups
    return notation.group.join([rest, *reversed(parts)])


def counted(number: int, noun: str) -> str:
    """``1 deal``, ``12,345 deals``; the noun is given in the singular."""
    return f"{write(number, COUNT)} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """``deals`` of ``deal``, ``entries`` of ``entry``, ``matches`` of ``match``."""
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def span(seconds: float) -> str:
    """A length of time in its largest unit, rounded down; empty below the least."""
    for unit, limit, name in SPANS:
        if seconds >= unit and (limit is None or seconds < limit):
            return f"{int(seconds // unit)} {name}"
    return ""


def age(seconds: float) -> str:
    """How long ago that is: ``just now``, ``3 min ago``, ``2 h ago``, ``5 d ago``."""
    return AGE.format(text) if (text := span(seconds)) else NO_AGE


def moment(at: datetime, pattern: str = MOMENT) -> str:
    """A moment in UTC."""
    return at.astimezone(UTC).strftime(pattern)


@lru_cache(maxsize=64)
def money_notation(currency: str, locale: str) -> Notation:
    """How a locale writes amounts of a currency, which are stored in its smallest unit (Unicode CLDR)."""
    known = Locale.parse(locale)
    pattern, symbols = known.currency_formats["standard"], known.number_symbols["latn"]
    symbol, digits = get_currency_symbol(currency, locale=locale), get_currency_precision(currency)
    return Notation(
        digits=digits,
        places=digits,
        before=pattern.prefix[0].replace("¤", symbol),
        after=pattern.suffix[0].replace("¤", symbol),
        decimal=symbols["decimal"],
        group=symbols["group"],
        first_group=pattern.grouping[0],
        next_groups=pattern.grouping[1],
    )


def as_data(notation: Notation) -> dict[str, Any]:
    """A notation as the scripts read it."""
    return asdict(notation)


@lru_cache(maxsize=1)
def rules() -> dict[str, Any]:
    """What every page tells its scripts."""
    numbers = {"count": COUNT, "percent_tenths": PERCENT_TENTHS, "seconds": SECONDS, "stars": STARS}
    return {
        "unknown": UNKNOWN,
        "minus": MINUS,
        **{name: as_data(notation) for name, notation in numbers.items()},
        "spans": SPANS,
        "no_age": NO_AGE,
        "age": AGE,
        "moment": MOMENT,
        "clock": CLOCK,
    }
