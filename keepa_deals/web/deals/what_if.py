"""A deal's economics with every term to be changed: what if it were bought for less, sold for more?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keepa_deals.deals.economics import Costs, Economics, calculate, known_fee
from keepa_deals.query.amounts import Unit, read_amount, typed_amount
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.rows import DealRow


@dataclass(frozen=True, slots=True)
class Term:
    """One number of the calculation: ``known`` to the service, and ``used`` in its place."""

    name: str
    label: str
    unit: Unit
    known: int | None
    used: int | None
    note: str

    @property
    def changed(self) -> bool:
        return self.used != self.known

    def typed(self, domain_id: int) -> str:
        """The value as its form field holds it."""
        return self._typed(self.used, domain_id)

    def typed_known(self, domain_id: int) -> str:
        """What the field holds again when nothing is asked any more."""
        return self._typed(self.known, domain_id)

    def _typed(self, value: int | None, domain_id: int) -> str:
        return "" if value is None else typed_amount(self.unit, value, domain_id)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The terms and their result; ``result`` is ``None`` while a term is unknown."""

    terms: Mapping[str, Term]
    result: Economics | None

    @property
    def changed(self) -> bool:
        return any(term.changed for term in self.terms.values())

    @property
    def missing(self) -> list[str]:
        """The labels of the terms that are unknown."""
        return [term.label for term in self.terms.values() if term.used is None]


def what_if(deal: DealRow, costs: Costs, given: Mapping[str, str]) -> WhatIf:
    """The economics of ``deal`` with the terms in ``given`` (typed by a person; empty: as known) replaced.

    ``ParameterError`` names the term that is no number, or negative.
    """
    known = (
        ("buy", "Buy", Unit.MONEY, deal.price, "the deal’s price"),
        ("sell", "Sell", Unit.MONEY, deal.price_avg_90, "its average over 90 days"),
        (
            "referral",
            "Referral fee, %",
            Unit.BASIS_POINTS,
            deal.referral_fee_bp,
            "Amazon’s share",
        ),
        ("fba", "FBA fee", Unit.MONEY, known_fee(deal.fba_fee), "picking, packing and shipping by Amazon"),
        ("prep", "Preparation", Unit.MONEY, costs.prep, "yours, for each unit"),
        ("shipping", "Shipping in", Unit.MONEY, costs.shipping, "yours, to Amazon’s warehouse"),
    )
    terms = {
        name: Term(name, label, unit, value, _used(name, unit, value, given, deal.domain_id), note)
        for name, label, unit, value, note in known
    }
    return WhatIf(terms, _calculated(terms))


def _used(name: str, unit: Unit, known: int | None, given: Mapping[str, str], domain_id: int) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return known
    value = read_amount(name, unit, text, domain_id)
    if value < 0 or (unit is Unit.BASIS_POINTS and value > 10_000):
        limit = "from 0 to 100" if unit is Unit.BASIS_POINTS else "0 or more"
        raise ParameterError(name, f"must be {limit}")
    return value


def _calculated(terms: Mapping[str, Term]) -> Economics | None:
    costs = Costs(prep=terms["prep"].used or 0, shipping=terms["shipping"].used or 0)
    return calculate(
        buy=terms["buy"].used,
        sell=terms["sell"].used,
        referral_fee_bp=terms["referral"].used,
        fba_fee=terms["fba"].used,
        costs=costs,
    )
