"""The terms of a calculation: the name of each, its value, where that comes from, and how sure it is."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class TermName(StrEnum):
    """The terms, in the order in which a page shows them. The names are parameters of the what-if."""

    SELL = "sell"
    REFERRAL = "referral"
    FBA = "fba"
    BUY = "buy"
    PREP = "prep"
    SHIPPING = "shipping"


SHARES = frozenset({TermName.REFERRAL})
"""Terms whose value is a share of an amount, in basis points. The others are amounts."""


class Source(StrEnum):
    """Where the value of a term comes from."""

    DEAL = "deal"
    AVERAGE_90 = "average_90"
    AVERAGE_30 = "average_30"
    BUY_BOX = "buy_box"
    KEEPA = "keepa"
    SETTING = "setting"
    TYPED = "typed"
    NOBODY = "nobody"


class Certainty(StrEnum):
    """How sure the value of a term is."""

    SURE = "sure"
    """Told as it is: by Keepa, by the seller, or by a published rule."""
    ESTIMATE = "estimate"
    """Worked out from what was told: an average is no price that anybody will pay."""
    ASSUMED = "assumed"
    """It stands for what was chosen and is not known."""
    UNKNOWN = "unknown"


class Known(NamedTuple):
    """What is known of a term before the calculation."""

    value: int | None
    source: Source
    certainty: Certainty


UNKNOWN = Known(None, Source.NOBODY, Certainty.UNKNOWN)


class Term(NamedTuple):
    """A term of a calculation that is done."""

    name: TermName
    value: int | None
    effect: int | None
    """What it adds to the profit on one unit: negative for a cost, ``None`` when it is unknown."""
    source: Source
    certainty: Certainty


def known(value: int | None, source: Source, certainty: Certainty = Certainty.SURE) -> Known:
    """A value with its source; unknown when there is none."""
    return UNKNOWN if value is None else Known(value, source, certainty)
