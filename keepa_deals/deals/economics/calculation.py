"""What one unit of a deal earns. Pure; money in the locale's smallest unit, shares in basis points.

Each term adds its effect, and the profit is their sum. A term that is unknown makes the result unknown, never
a guess. Each share is rounded half up to the smallest unit by itself, as a bill would have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from keepa_deals.deals.economics import sell_price
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.deals.economics.rounding import WHOLE, half_up, share
from keepa_deals.deals.economics.terms import Certainty, Known, Source, Term, TermName, known

RULES = 3
"""Grows with each change of the calculation: maintenance then prices every deal anew."""
MAX_PRICE = 2**31 - 1


class Priced(sell_price.WithPrices, Protocol):
    """The columns of a deal that its economics depend on."""

    @property
    def price(self) -> int | None: ...

    @property
    def fba_fee(self) -> int | None: ...

    @property
    def referral_fee_bp(self) -> int | None: ...


Given = Mapping[TermName, int]
"""What a person has put in the place of terms."""
NOTHING: Given = {}


class Economics(NamedTuple):
    """The result with its terms; ``None`` is unknown."""

    terms: tuple[Term, ...]
    sell: int | None
    profit: int | None
    roi_bp: int | None
    """Return on investment: the profit over what is put in before anything is sold."""
    margin_bp: int | None
    """The profit over the sale price."""

    @property
    def unknown(self) -> tuple[TermName, ...]:
        """The terms that are not known."""
        return tuple(term.name for term in self.terms if term.effect is None)


def work_out(deal: Priced, pricing: Pricing, given: Given = NOTHING) -> Economics:
    """The economics of one unit, with the terms in ``given`` in the place of what is known of them."""
    return _at(_sell(deal, pricing, given), deal, pricing, given)


def break_even(deal: Priced, pricing: Pricing, given: Given = NOTHING) -> int | None:
    """The lowest sale price without a loss: a cent less is one. ``None`` when none is, or it is unknown."""

    def profit(price: int) -> int | None:
        return _at(Known(price, Source.TYPED, Certainty.SURE), deal, pricing, given).profit

    low, high = 0, MAX_PRICE
    at_most, at_least = profit(high), profit(low)
    if at_most is None or at_most < 0 or at_least is None:
        return None
    if at_least >= 0:
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        if (profit(middle) or 0) < 0:
            low = middle
        else:
            high = middle
    return high


def _sell(deal: Priced, pricing: Pricing, given: Given) -> Known:
    typed = _typed(TermName.SELL, given)
    return typed or sell_price.chosen(deal, pricing.sell)


def _typed(name: TermName, given: Given) -> Known | None:
    return Known(given[name], Source.TYPED, Certainty.SURE) if name in given else None


def _at(sell: Known, deal: Priced, pricing: Pricing, given: Given) -> Economics:
    """The economics at a sale price."""
    costs = pricing.costs
    referral = _typed(TermName.REFERRAL, given) or known(
        deal.referral_fee_bp, Source.KEEPA, Certainty.ESTIMATE
    )
    fba = _typed(TermName.FBA, given) or known(known_fee(deal.fba_fee), Source.KEEPA)
    buy = _typed(TermName.BUY, given) or known(deal.price, Source.DEAL)
    prep = _typed(TermName.PREP, given) or Known(costs.prep, Source.SETTING, Certainty.SURE)
    shipping = _typed(TermName.SHIPPING, given) or Known(costs.shipping, Source.SETTING, Certainty.SURE)
    fee = None if sell.value is None or referral.value is None else -share(sell.value, referral.value)
    terms = (
        Term(TermName.SELL, sell.value, sell.value, sell.source, sell.certainty),
        Term(TermName.REFERRAL, referral.value, fee, referral.source, referral.certainty),
        *(
            _cost(name, term)
            for name, term in (
                (TermName.FBA, fba),
                (TermName.BUY, buy),
                (TermName.PREP, prep),
                (TermName.SHIPPING, shipping),
            )
        ),
    )
    return _result(terms, sell.value)


def _cost(name: TermName, term: Known) -> Term:
    return Term(name, term.value, None if term.value is None else -term.value, term.source, term.certainty)


INVESTED = frozenset({TermName.BUY, TermName.PREP, TermName.SHIPPING})
"""What is paid before anything is sold."""


def _result(terms: tuple[Term, ...], sell: int | None) -> Economics:
    profit = invested = 0
    for term in terms:
        if term.effect is None:
            return Economics(terms, sell, None, None, None)
        profit += term.effect
        if term.name in INVESTED:
            invested -= term.effect
    return Economics(
        terms,
        sell,
        profit,
        roi_bp=half_up(profit * WHOLE, invested) if invested > 0 else None,
        margin_bp=half_up(profit * WHOLE, sell) if sell else None,
    )


def known_fee(fba_fee: int | None) -> int | None:
    """The FBA fee; ``None`` for 0, by which Keepa says that it cannot be calculated (docs: Product Object).

    Rows of before this was known may hold it; maintenance takes it out of them.
    """
    return fba_fee or None


@dataclass(frozen=True, slots=True)
class EconomicsRow:
    """The economics of a deal as columns of ``deals``."""

    sell_price: int | None = None
    profit: int | None = None
    roi_bp: int | None = None
    margin_bp: int | None = None


UNKNOWN = EconomicsRow()
"""The columns of a deal of which a term is not known."""


def of(deal: Priced, pricing: Pricing) -> EconomicsRow:
    """The columns of a deal: the same calculation as everywhere."""
    found = work_out(deal, pricing)
    if found.profit is None:
        return UNKNOWN
    return EconomicsRow(found.sell, found.profit, found.roi_bp, found.margin_bp)
