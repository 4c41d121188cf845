"""A deal's economics with every term to be changed: what if it were bought for less, sold for more?

The page without scripts, the page with them and the API ask here, and here asks the one calculation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.calculation import Economics, Given
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.deals.economics.terms import SHARES, Certainty, Source, Term, TermName
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.amounts import Unit, read_amount, typed_amount
from keepa_deals.query.parameters import Arguments, ParameterError, read_text
from keepa_deals.query.rows import DealRow

LABELS: Mapping[TermName, str] = {
    TermName.SELL: "Sell",
    TermName.REFERRAL: "Referral fee, %",
    TermName.FBA: "FBA fee",
    TermName.BUY: "Buy",
    TermName.PREP: "Preparation",
    TermName.SHIPPING: "Shipping in",
}
SOURCES: Mapping[Source, str] = {
    Source.DEAL: "the deal’s price",
    Source.AVERAGE_90: "its average over 90 days",
    Source.AVERAGE_30: "its average over a month",
    Source.BUY_BOX: "its buy box at the last look",
    Source.KEEPA: "told by Keepa",
    Source.SETTING: "yours, for each unit",
    Source.TYPED: "what you typed",
    Source.NOBODY: "nobody knows",
}
"""Where a value comes from, in words."""


def unit_of(name: TermName) -> Unit:
    return Unit.BASIS_POINTS if name in SHARES else Unit.MONEY


def term_pattern(name: TermName) -> str:
    """What a person may type for a term, as a regular expression of JSON Schema."""
    if unit_of(name) is Unit.BASIS_POINTS:
        return r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)$"
    return r"^[0-9]{1,9}(\.[0-9]{1,2})?$"


@dataclass(frozen=True, slots=True)
class ShownTerm:
    """One term as a row of the form: what is known, and what a person has put in its place."""

    term: Term
    known: Term
    domain_id: int

    @property
    def name(self) -> TermName:
        return self.term.name

    @property
    def label(self) -> str:
        return LABELS[self.name]

    @property
    def is_typed(self) -> bool:
        return self.term.source is Source.TYPED

    @property
    def typed(self) -> str:
        """What stands in the form field: nothing where the term is as known."""
        return self._text(self.term) if self.is_typed else ""

    @property
    def known_text(self) -> str:
        """What the empty field stands for."""
        return self._text(self.known) or "unknown"

    @property
    def note(self) -> str:
        return note(self.term)

    def _text(self, term: Term) -> str:
        return "" if term.value is None else typed_amount(unit_of(self.name), term.value, self.domain_id)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The terms and their result. ``changed``: whether a person has put anything in the place of a term."""

    terms: tuple[ShownTerm, ...]
    result: Economics
    break_even: int | None
    changed: bool

    @property
    def missing(self) -> list[str]:
        """The labels of the terms that are unknown."""
        return [LABELS[name] for name in self.result.unknown]


def note(term: Term) -> str:
    """Where the value of a term comes from, in words; and that it only stands for another."""
    words = SOURCES[term.source]
    return f"assumed: {words}" if term.certainty is Certainty.ASSUMED else words


def what_if(deal: DealRow, pricing: Pricing, typed: Mapping[str, str]) -> WhatIf:
    """The economics of ``deal`` with the terms in ``typed`` (by a person; empty: as known) replaced.

    ``ParameterError`` names the term that is no number, or negative.
    """
    given = read_given(typed, deal.domain_id)
    known = calculation.work_out(deal, pricing)
    result = calculation.work_out(deal, pricing, given) if given else known
    terms = tuple(
        ShownTerm(term, before, deal.domain_id)
        for term, before in zip(result.terms, known.terms, strict=True)
    )
    return WhatIf(terms, result, calculation.break_even(deal, pricing, given), bool(given))


def read_terms(arguments: Arguments) -> dict[str, str]:
    """The parameters of a program's question: each names a term, once, and none is empty."""
    for name, values in arguments.items():
        if name not in LABELS:
            raise ParameterError(name, f"is no term; they are {', '.join(TermName)}")
        read_text(name, values)
    return {name: values[0] for name, values in arguments.items()}


def read_given(typed: Mapping[str, str], domain_id: int) -> Given:
    """The terms that a person typed, in stored units."""
    return {name: _read(name, text, domain_id) for name in TermName if (text := typed.get(name, "").strip())}


def _read(name: TermName, text: str, domain_id: int) -> int:
    unit = unit_of(name)
    value = read_amount(name, unit, text, domain_id)
    if value < 0 or (unit is Unit.BASIS_POINTS and value > 10_000):
        limit = "from 0 to 100" if unit is Unit.BASIS_POINTS else "0 or more"
        raise ParameterError(name, f"must be {limit}")
    return value


def what_if_json(asked: WhatIf, domain_id: int) -> dict[str, Any]:
    """The same for programs, and for the page's own script."""
    result = asked.result
    return {
        "currency": marketplace(domain_id).currency,
        "terms": [_term_json(shown.term) for shown in asked.terms],
        "profit": result.profit,
        "roi_bp": result.roi_bp,
        "margin_bp": result.margin_bp,
        "break_even": asked.break_even,
        "unknown": [str(name) for name in result.unknown],
    }


def _term_json(term: Term) -> dict[str, Any]:
    return {
        "name": str(term.name),
        "label": LABELS[term.name],
        "unit": str(unit_of(term.name)),
        "value": term.value,
        "effect": term.effect,
        "source": str(term.source),
        "note": note(term),
        "certainty": str(term.certainty),
    }
