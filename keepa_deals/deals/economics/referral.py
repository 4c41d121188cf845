"""Which referral fee a product bears. Pure.

A root category holds products of several of Amazon's fee categories. Keepa's percentage holds for the
*current* price (Keepa docs: Product Object, ``referralFeePercentage``). It says which of the published rules
may be the product's, and the fee at the sale price follows from the rule, with its tiers and its minimum.
Where no rule fits, or those that fit differ at the sale price, Keepa's percentage stands for the rule.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from keepa_deals.deals.economics.fees import MarketFees, ReferralRule
from keepa_deals.deals.economics.rounding import WHOLE, half_up, share
from keepa_deals.deals.economics.terms import FEE_FILE, UNKNOWN, Certainty, Known, Source


class Referred(Protocol):
    """What the referral fee of a deal depends on."""

    @property
    def price(self) -> int | None: ...

    @property
    def amazon_price(self) -> int | None: ...

    @property
    def buy_box_price(self) -> int | None: ...

    @property
    def root_category(self) -> int | None: ...

    @property
    def referral_fee_bp(self) -> int | None: ...


class Referral(NamedTuple):
    """The rules that may hold for a deal, and Keepa's percentage."""

    rules: tuple[ReferralRule, ...]
    percentage: int | None
    problem: Known | None = None

    def at(self, price: int) -> tuple[int | None, Known]:
        """The fee at a sale price, and its share of the price as a term."""
        if self.problem is not None:
            return None, self.problem
        if self.rules:
            fee = self.rules[0].fee(price)
            if all(rule.fee(price) == fee for rule in self.rules[1:]):
                certainty = Certainty.ESTIMATE if self.percentage is None else Certainty.SURE
                return fee, Known(half_up(fee * WHOLE, price) if price else 0, Source.SCHEDULE, certainty)
        if self.percentage is None:
            return None, UNKNOWN
        return share(price, self.percentage), Known(self.percentage, Source.KEEPA, Certainty.ESTIMATE)

    @property
    def closing(self) -> Known:
        """The published closing fee, where the rules agree on it."""
        if self.problem is not None:
            return self.problem
        fees = {rule.closing for rule in self.rules}
        value = fees.pop() if len(fees) == 1 else None
        return UNKNOWN if value is None else Known(value, Source.SCHEDULE, Certainty.SURE)

    @property
    def bounds(self) -> list[int]:
        """The prices above which another rate holds for the whole price."""
        return sorted({bound for rule in self.rules for bound in rule.bounds})


def referral_of(deal: Referred, fees: MarketFees) -> Referral:
    """The rules that may hold for a deal. Of a root category whose rules a file lacks the fee is unknown."""
    root, percentage = deal.root_category, deal.referral_fee_bp
    if fees.problem or root in fees.broken:
        return Referral((), None, FEE_FILE)
    rules = fees.roots.get(root, ()) if root is not None else ()
    if percentage is not None and rules:
        prices = (deal.price, deal.buy_box_price, deal.amazon_price)
        rules = tuple(rule for rule in rules if rule.agrees(percentage, prices))
    return Referral(rules, percentage)
