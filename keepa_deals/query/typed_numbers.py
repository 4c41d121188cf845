"""Numbers as people type, paste and copy them, read by the habits of a marketplace.

What can be read in one way only is read; of anything else the reader is told why not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from keepa_deals.deals.money import digits, notation, symbol
from keepa_deals.errors import KeepaDealsError
from keepa_deals.formats import COUNT, MINUS, Notation
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.amounts import Unit, in_stored_units, typed_amount

MAX_DIGITS = 9
MAX_TYPED = 100
"""No number is longer, however it is typed."""
MAX_QUOTED = 40
"""Characters of an input that an answer repeats."""

ZEROS = "0٠۰०০੦૦୦௦౦೦൦０"
"""The digit 0 of the scripts whose digits are read; the other nine follow it in Unicode."""
ALIKE: Mapping[str, str] = {
    **dict.fromkeys("−‐‑‒–—﹣－", "-"),
    "＋": "+",
    "．": ".",
    "，": ",",
    "％": "%",
    "٪": "%",
    "٫": ".",
    "٬": "'",
    "＇": "'",
    "’": "'",
    "￥": "¥",
    "＄": "$",
    "￡": "£",
    "＃": "#",
}
"""Characters that stand for others, as keyboards and pages of the world have them."""
INVISIBLE = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
BLANKS = "[ \t\r\n\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+"

_CURRENCY_SIGNS: Mapping[str, Sequence[str]] = {
    "USD": ("US$",),
    "EUR": ("euros", "euro"),
    "CAD": ("CA$", "C$", "CDN$"),
    "JPY": ("¥", "円"),
    "INR": ("Rs.", "Rs"),
    "MXN": ("MX$", "MEX$"),
}
"""What else than its symbol (CLDR) and its code people write for a currency."""

_FRACTIONS = {
    "number": "“{typed}” is not understood: type {noun} like {example}.",
    "signs": "“{typed}” could mean more than one number: here {decimal} comes before at most two decimals, "
    "and {group} between thousands, like {example}.",
    "digits": f"“{{typed}}” is too large: at most {MAX_DIGITS} digits before the decimals.",
}
_WHOLE = {
    **_FRACTIONS,
    "signs": "“{typed}” could mean more than one number: type {noun} like {example}.",
    "whole": "“{typed}” is not a whole number: type {noun} like {example}.",
    "digits": f"“{{typed}}” is too large: at most {MAX_DIGITS} digits.",
}


class TypedNumberError(KeepaDealsError):
    """What was typed is no number that is allowed here; the text quotes it and says what is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How numbers of one unit are typed in one marketplace."""

    digits: int
    """Decimal places of the stored unit: 2 for cents."""
    frame: str
    """A regular expression: sign, sign again, number, between marks of the unit."""
    shapes: Sequence[str]
    """Regular expressions of a number, each with three groups: digits, separator of thousands, decimals."""
    numeral: str
    """What consists of digits and separators only."""
    broken: str
    """What is a number, but not a whole one, where only those are allowed; matches nothing elsewhere."""
    messages: Mapping[str, str]
    """Why a number is refused, by kind; ``{typed}`` stands for it."""


@lru_cache(maxsize=128)
def reading(unit: Unit, domain_id: int) -> Reading:
    """The habits of a marketplace for numbers of a unit."""
    money = notation(domain_id)
    is_whole = unit in (Unit.COUNT, Unit.PERCENT)
    words = {
        "noun": _noun(unit, domain_id),
        "example": _example(unit, money),
        "decimal": f"“{money.decimal}”",
        "group": f"“{money.group}”" if money.group.strip() else "a blank",
    }
    messages = _WHOLE if is_whole else _FRACTIONS
    places = {Unit.MONEY: digits(domain_id), Unit.BASIS_POINTS: 2, Unit.STARS: 1}
    return Reading(
        digits=places.get(unit, 0),
        frame=_frame(_marks(unit, domain_id)),
        shapes=_whole_shapes() if is_whole else _fraction_shapes(money, unit),
        numeral=r"[0-9.,' ]*[0-9][0-9.,' ]*",
        broken=r"[0-9]+[.,][0-9]+" if is_whole else r"(?!)",
        messages={kind: _filled(text, words) for kind, text in messages.items()},
    )


def read_typed(unit: Unit, text: str, domain_id: int) -> int:
    """A number that a person typed, in stored units; ``TypedNumberError`` when it can't be told."""
    rules = reading(unit, domain_id)
    if len(text) > MAX_TYPED:
        raise _refusal(rules, "number", text)
    plain = _plain(text)
    framed = re.fullmatch(rules.frame, plain, re.IGNORECASE)
    first, second, number = framed.groups() if framed else ("", "", plain)
    if not number or (first and second):
        raise _refusal(rules, "number", text)
    for shape in rules.shapes:
        if (match := re.fullmatch(shape, number)) and re.search("[0-9]", number):
            whole = re.sub("[^0-9]", "", match[1]).lstrip("0") or "0"
            if len(whole) > MAX_DIGITS:
                raise _refusal(rules, "digits", text)
            size = Decimal(f"{whole}.{(match[3] or '').strip('-') or '0'}")
            return in_stored_units(unit, -size if "-" in (first, second) else size, domain_id)
    is_numeral = re.fullmatch(rules.numeral, number)
    kind = "whole" if re.fullmatch(rules.broken, number) else "signs" if is_numeral else "number"
    raise _refusal(rules, kind, text)


def field_text(unit: Unit, value: int, domain_id: int) -> str:
    """A stored number as a form field shows it, which ``read_typed`` reads again: ``12,50`` in Germany."""
    return typed_amount(unit, value, domain_id).replace(".", notation(domain_id).decimal).replace("-", MINUS)


def quoted(text: str) -> str:
    """What was typed, as an answer repeats it."""
    shown = re.sub(BLANKS, " ", text).strip()
    return shown if len(shown) <= MAX_QUOTED else f"{shown[:MAX_QUOTED]}…"


def _plain(text: str) -> str:
    """``text`` in ASCII where that says the same."""
    text = re.sub(INVISIBLE, "", text)
    text = "".join(ALIKE.get(each, _digit(each)) for each in text)
    return re.sub(BLANKS, " ", text).strip(" ")


def _digit(character: str) -> str:
    for zero in ZEROS:
        if 0 <= (value := ord(character) - ord(zero)) <= 9:
            return str(value)
    return character


def _refusal(rules: Reading, kind: str, text: str) -> TypedNumberError:
    return TypedNumberError(rules.messages[kind].replace("{typed}", quoted(text)))


# -- rules -----------------------------------------------------------------------------------------
def _frame(marks: Sequence[str]) -> str:
    mark = "|".join(re.escape(each) for each in sorted(marks, key=len, reverse=True))
    return rf"([+-]?) ?(?:{mark})? ?([+-]?) ?([0-9.,' -]*?) ?(?:{mark})?"


def _marks(unit: Unit, domain_id: int) -> Sequence[str]:
    """What may stand before or after a number of the unit."""
    match unit:
        case Unit.MONEY:
            code = marketplace(domain_id).currency
            sign = ALIKE.get(symbol(domain_id), symbol(domain_id))
            return sorted({sign, code, *_CURRENCY_SIGNS.get(code, ())})
        case Unit.PERCENT | Unit.BASIS_POINTS:
            return ("%",)
        case Unit.STARS:
            return ("★", "stars", "star")
        case _:
            return ("#",)


def _fraction_shapes(money: Notation, unit: Unit) -> Sequence[str]:
    decimal = re.escape(money.decimal)
    none = "|-" if money.decimal == "," else ""  # 19,- €
    group = "".join(sorted({money.group.strip() or " ", " ", "'"}))
    part = rf"(?:{decimal}([0-9]{{0,2}}{none}))?"
    shapes = [
        r"([0-9]*)()(?:\.([0-9]{0,2}))?",  # as addresses have it
        rf"([0-9]*)(){part}",
        rf"([1-9][0-9]{{0,2}}([{group}])[0-9]{{3}}(?:\2[0-9]{{3}})*){part}",
    ]
    if money.next_groups == 2:
        shapes.append(rf"([1-9][0-9]?(,)(?:[0-9]{{2}},)+[0-9]{{3}}){part}")
    if unit is not Unit.MONEY:  # as the pages write shares, whatever the marketplace
        shapes.append(r"([1-9][0-9]{0,2}(,)[0-9]{3}(?:,[0-9]{3})*)\.([0-9]{0,2})")
    return shapes


def _whole_shapes() -> Sequence[str]:
    """There are no decimals, so that any separator is one of thousands."""
    return (
        r"([0-9]+)()(?:[.,](0{0,2}))?",
        r"([1-9][0-9]{0,2}([.,' ])[0-9]{3}(?:\2[0-9]{3})*)(?:(?!\2)[.,](0{0,2}))?",
        r"([1-9][0-9]?(,)(?:[0-9]{2},)+[0-9]{3})(?:\.(0{0,2}))?",
    )


def _noun(unit: Unit, domain_id: int) -> str:
    return {
        Unit.MONEY: f"an amount in {symbol(domain_id)}",
        Unit.STARS: "a number of stars",
        Unit.COUNT: "a whole number",
    }.get(unit, "a percentage")


def _example(unit: Unit, money: Notation) -> str:
    return {
        Unit.MONEY: f"1{money.group}234{money.decimal}50" if money.digits else f"1{money.group}234",
        Unit.BASIS_POINTS: f"12{money.decimal}5",
        Unit.STARS: f"4{money.decimal}5",
        Unit.PERCENT: "20",
    }.get(unit, f"1{COUNT.group}234")


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text
