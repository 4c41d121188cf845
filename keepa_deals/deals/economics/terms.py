"""The terms of a calculation: the name of each, its value, where that comes from, and how sure it is."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class TermName(StrEnum):
    """The terms, in the order in which a page shows them. The names are parameters of the what-if."""

    SELL = "sell"
    REFERRAL = "referral"
    CLOSING = "closing"
    FBA = "fba"
    STORAGE = "storage"
    PLACEMENT = "placement"
    SHIP_OUT = "ship_out"
    RETURNS = "returns"
    VAT = "vat"
    FEE_VAT = "fee_vat"
    BUY = "buy"
    QUANTITY = "quantity"
    BUY_SHIPPING = "buy_shipping"
    BUY_TAX = "buy_tax"
    BUY_VAT = "buy_vat"
    PREP = "prep"
    SHIPPING = "shipping"


SHARES = frozenset(
    {
        *(TermName.REFERRAL, TermName.RETURNS, TermName.VAT, TermName.FEE_VAT),
        *(TermName.BUY_TAX, TermName.BUY_VAT),
    }
)
"""Terms whose value is a share of an amount, in basis points. ``QUANTITY`` is a number, the rest amounts."""
INVESTED = frozenset(
    {
        *(TermName.BUY, TermName.BUY_SHIPPING, TermName.BUY_TAX, TermName.BUY_VAT),
        *(TermName.PREP, TermName.SHIPPING),
    }
)
"""What is paid before anything is sold."""


class Source(StrEnum):
    """Where the value of a term comes from."""

    DEAL = "deal"
    AVERAGE_90 = "average_90"
    AVERAGE_30 = "average_30"
    AVERAGE_180 = "average_180"
    AVERAGE_365 = "average_365"
    BUY_BOX = "buy_box"
    ROBUST = "robust"
    AMAZON = "amazon"
    """Amazon's own price, which caps what was chosen."""
    KEEPA = "keepa"
    SCHEDULE = "schedule"
    """Amazon's published fees."""
    LAW = "law"
    SETTING = "setting"
    TYPED = "typed"
    NOT_USED = "not_used"
    """It is no part of this way to sell."""
    FEE_FILE = "fee_file"
    """A file of fees that cannot be used."""
    NOT_PUBLISHED = "not_published"
    """No published rule for this marketplace, or this category, is known here."""
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
NOT_PUBLISHED = Known(None, Source.NOT_PUBLISHED, Certainty.UNKNOWN)
FEE_FILE = Known(None, Source.FEE_FILE, Certainty.UNKNOWN)
NOT_USED = Known(0, Source.NOT_USED, Certainty.SURE)


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


def yours(value: int) -> Known:
    """What the seller has set."""
    return Known(value, Source.SETTING, Certainty.SURE)
