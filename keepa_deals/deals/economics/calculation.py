"""What one unit of a deal earns. Pure; money in the locale's smallest unit, shares in basis points.

Each term adds its effect, and the profit is their sum. A term that is unknown makes the result unknown, never
a guess. Each amount is rounded half up to the smallest unit by itself, as a bill would have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from keepa_deals.deals.economics import sell_price, vat
from keepa_deals.deals.economics.fees import MarketFees
from keepa_deals.deals.economics.pricing import Fulfilment, Pricing
from keepa_deals.deals.economics.referral import Referral, Referred, referral_of
from keepa_deals.deals.economics.rounding import WHOLE, half_up, share
from keepa_deals.deals.economics.sell_price import Doubt
from keepa_deals.deals.economics.terms import (
    FEE_FILE,
    INVESTED,
    NOT_PUBLISHED,
    NOT_USED,
    UNKNOWN,
    Certainty,
    Known,
    Source,
    Term,
    TermName,
    known,
    yours,
)

RULES = 4
"""Grows with each change of the calculation: maintenance then prices every deal anew."""
MAX_PRICE = 2**31 - 1
HIGH_RETURNS, LOW_RETURNS = 2, 1
"""Keepa's ``returnRate``; without one it is average, or nobody knows (api_backend: Product.java)."""


class Priced(sell_price.WithPrices, Referred, Protocol):
    """The columns of a deal that its economics depend on."""

    @property
    def domain_id(self) -> int: ...

    @property
    def fba_fee(self) -> int | None: ...

    @property
    def closing_fee(self) -> int | None: ...

    @property
    def return_rate(self) -> int | None: ...

    @property
    def package_length(self) -> int | None: ...

    @property
    def package_width(self) -> int | None: ...

    @property
    def package_height(self) -> int | None: ...

    @property
    def package_weight(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class PricedDeal:
    """These columns alone."""

    domain_id: int
    price: int | None
    price_avg_90: int | None
    price_avg_month: int | None
    price_avg_180: int | None
    price_avg_365: int | None
    robust_price: int | None
    robust_sales: int | None
    rank_drops_90: int | None
    price_low_year: int | None
    price_high_year: int | None
    amazon_price: int | None
    amazon_in_stock: bool | None
    root_category: int | None
    buy_box_price: int | None
    referral_fee_bp: int | None
    fba_fee: int | None
    closing_fee: int | None
    return_rate: int | None
    package_length: int | None
    package_width: int | None
    package_height: int | None
    package_weight: int | None


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
    """The profit over the sale price without VAT."""
    doubts: Doubt = Doubt.NONE
    """What speaks against the sale price."""

    @property
    def unknown(self) -> tuple[TermName, ...]:
        """The terms that are not known."""
        return tuple(term.name for term in self.terms if term.effect is None)


def work_out(deal: Priced, pricing: Pricing, given: Given = NOTHING) -> Economics:
    """The economics of one unit, with the terms in ``given`` in the place of what is known of them."""
    case = _case(deal, pricing, given)
    if given and TermName.SELL in given:
        return case.economics(case.put(TermName.SELL, UNKNOWN))
    sell, doubts = sell_price.chosen(deal, pricing.sell)
    return case.economics(sell, doubts)


def break_even(deal: Priced, pricing: Pricing, given: Given = NOTHING) -> int | None:
    """The lowest sale price without a loss: a cent less is one. ``None`` when none is, or it is unknown.

    Where a tier changes the rate of the whole price, the profit falls: each stretch is searched by itself.
    """
    case = _case(deal, pricing, given)
    edges = [0, *(bound + 1 for bound in case.referral.bounds), MAX_PRICE + 1]
    for low, beyond in pairwise(edges):
        if (found := _lowest(case, low, beyond - 1)) is not None:
            return found
    return None


def _lowest(case: _Case, low: int, high: int) -> int | None:
    """The lowest price of a stretch without a loss."""

    def is_loss(price: int) -> bool:
        profit = case.economics(Known(price, Source.TYPED, Certainty.SURE)).profit
        return profit is None or profit < 0

    if not is_loss(low):
        return low
    if is_loss(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_loss(middle) else (low, middle)
    return high


def _case(deal: Priced, pricing: Pricing, given: Given) -> _Case:
    fees = pricing.schedule.of(deal.domain_id)
    return _Case(deal, pricing, given, fees, referral_of(deal, fees))


@dataclass(frozen=True, slots=True)
class _Case:
    """A deal, the seller's pricing, and what a person put in the place of terms."""

    deal: Priced
    pricing: Pricing
    given: Given
    fees: MarketFees
    referral: Referral

    def put(self, name: TermName, otherwise: Known) -> Known:
        """What a person put in the place of a term, or what is known of it."""
        if self.given and name in self.given:
            return Known(self.given[name], Source.TYPED, Certainty.SURE)
        return otherwise

    def economics(self, sell: Known, doubts: Doubt = Doubt.NONE) -> Economics:
        """The economics at a sale price that bears these doubts."""
        selling = self._selling(sell)
        fees = {term.name: term.effect for term in selling[1:4]}
        on_sale, on_fees, vat_back = self._taxes(sell.value, fees)
        return _result((*selling, on_sale, on_fees, *self._buying(vat_back)), sell.value, doubts)

    # -- of the sale -------------------------------------------------------------------------
    def _selling(self, sell: Known) -> tuple[Term, ...]:
        costs, by_amazon = self.pricing.costs, self.pricing.fulfilment is Fulfilment.FBA
        fba = known(known_fee(self.deal.fba_fee), Source.KEEPA) if by_amazon else NOT_USED
        closing = known(self.deal.closing_fee, Source.KEEPA)
        ship_out = NOT_USED if by_amazon else known(costs.ship_out, Source.SETTING)
        return (
            Term(TermName.SELL, sell.value, sell.value, sell.source, sell.certainty),
            self._referral(sell.value),
            self._cost(TermName.CLOSING, closing if closing.value is not None else self.referral.closing),
            self._cost(TermName.FBA, fba),
            self._cost(TermName.STORAGE, self._storage() if by_amazon else NOT_USED),
            self._cost(TermName.PLACEMENT, yours(costs.placement) if by_amazon else NOT_USED),
            self._cost(TermName.SHIP_OUT, ship_out),
            self._share(TermName.RETURNS, yours(self._returns()), sell.value),
        )

    def _referral(self, price: int | None) -> Term:
        name = TermName.REFERRAL
        if name in self.given:
            return self._share(name, UNKNOWN, price)
        if price is None:
            percentage = known(self.referral.percentage, Source.KEEPA, Certainty.ESTIMATE)
            return Term(name, percentage.value, None, percentage.source, percentage.certainty)
        fee, rate = self.referral.at(price)
        return Term(name, rate.value, None if fee is None else -fee, rate.source, rate.certainty)

    def _storage(self) -> Known:
        months = self.pricing.storage_months
        if not months:
            return yours(0)
        if self.fees.problem:
            return FEE_FILE
        if self.fees.storage is None:
            return NOT_PUBLISHED
        deal = self.deal
        length, width, height = deal.package_length, deal.package_width, deal.package_height
        if not length or not width or not height or not deal.package_weight:
            return UNKNOWN
        fee = self.fees.storage.fee((length, width, height), deal.package_weight, months, self.pricing.month)
        return Known(fee, Source.SCHEDULE, Certainty.ESTIMATE)

    def _returns(self) -> int:
        returns, rate = self.pricing.returns, self.deal.return_rate
        return returns.high if rate == HIGH_RETURNS else returns.low if rate == LOW_RETURNS else returns.usual

    # -- VAT ---------------------------------------------------------------------------------
    def _taxes(self, sell: int | None, fees: Mapping[TermName, int | None]) -> tuple[Term, Term, Known]:
        """VAT on the sale and on Amazon's fees, and the rate at which it comes back on buying."""
        rates = vat.rates_of(self.pricing.vat, self.fees, self.deal.root_category)
        on_sale, on_fees = self.put(TermName.VAT, rates.on_sale), self.put(TermName.FEE_VAT, rates.on_fees)
        due = vat.due(self.pricing.vat.scheme, sell, on_sale.value)
        charged = vat.on_fees(self.pricing.vat.scheme, self.fees.vat, fees, on_fees.value)
        return (
            Term(TermName.VAT, on_sale.value, due, on_sale.source, on_sale.certainty),
            Term(TermName.FEE_VAT, on_fees.value, charged, on_fees.source, on_fees.certainty),
            self.put(TermName.BUY_VAT, rates.on_buying),
        )

    # -- of buying ---------------------------------------------------------------------------
    def _buying(self, vat_back: Known) -> tuple[Term, ...]:
        buying, costs = self.pricing.buying, self.pricing.costs
        buy = self.put(TermName.BUY, known(self.deal.price, Source.DEAL))
        quantity = self.put(TermName.QUANTITY, yours(buying.quantity))
        shipping = self.put(TermName.BUY_SHIPPING, yours(buying.shipping))
        of_each = half_up(shipping.value or 0, quantity.value or 1)
        price = None if buy.value is None else buy.value + of_each
        back = 0 if vat_back.value == 0 else None
        if buy.value is not None and vat_back.value:
            back = vat.within(buy.value, vat_back.value)
        inbound = yours(costs.shipping) if self.pricing.fulfilment is Fulfilment.FBA else NOT_USED
        return (
            self._cost(TermName.BUY, buy),
            Term(TermName.QUANTITY, quantity.value, 0, quantity.source, quantity.certainty),
            Term(TermName.BUY_SHIPPING, shipping.value, -of_each, shipping.source, shipping.certainty),
            self._share(TermName.BUY_TAX, yours(buying.tax), price),
            Term(TermName.BUY_VAT, vat_back.value, back, vat_back.source, vat_back.certainty),
            self._cost(TermName.PREP, yours(costs.prep)),
            self._cost(TermName.SHIPPING, inbound),
        )

    def _cost(self, name: TermName, otherwise: Known) -> Term:
        value, source, certainty = self.put(name, otherwise)
        return Term(name, value, None if value is None else -value, source, certainty)

    def _share(self, name: TermName, otherwise: Known, amount: int | None) -> Term:
        """A share of an amount as a cost; no share of an unknown amount is none."""
        value, source, certainty = self.put(name, otherwise)
        effect = 0 if value == 0 else None if value is None or amount is None else -share(amount, value)
        return Term(name, value, effect, source, certainty)


def _result(terms: tuple[Term, ...], sell: int | None, doubts: Doubt) -> Economics:
    profit = invested = revenue = 0
    for name, _, effect, _, _ in terms:
        if effect is None:
            return Economics(terms, sell, None, None, None, doubts)
        profit += effect
        if name in INVESTED:
            invested -= effect
        elif name is TermName.SELL or name is TermName.VAT:
            revenue += effect
    return Economics(
        terms,
        sell,
        profit,
        roi_bp=half_up(profit * WHOLE, invested) if invested > 0 else None,
        margin_bp=half_up(profit * WHOLE, revenue) if revenue > 0 else None,
        doubts=doubts,
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
    sell_doubt: int | None = None
    """A ``Doubt`` of the sale price; 0 for none."""


NO_ECONOMICS = EconomicsRow()
"""The columns of a deal of which a term is not known."""


def of(deal: Priced, pricing: Pricing) -> EconomicsRow:
    """The columns of a deal: the same calculation as everywhere."""
    found = work_out(deal, pricing)
    if found.profit is None:
        return NO_ECONOMICS
    return EconomicsRow(found.sell, found.profit, found.roi_bp, found.margin_bp, int(found.doubts))
