"""A deal's economics with every term to be changed: what if it were bought for less, sold for more?

The page without scripts, the page with them and the API ask here, and here asks the one calculation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.calculation import Economics, Given
from keepa_deals.deals.economics.pricing import Fulfilment, Pricing
from keepa_deals.deals.economics.sell_price import CANDIDATES
from keepa_deals.deals.economics.terms import SHARES, Certainty, Source, Term, TermName
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.amounts import Unit, read_amount
from keepa_deals.query.parameters import Arguments, ParameterError, read_text
from keepa_deals.query.rows import DealRow
from keepa_deals.query.typed_numbers import TypedNumberError, field_text, quoted, read_typed
from keepa_deals.web.deals.row import doubt_names

LABELS: Mapping[TermName, str] = {
    TermName.SELL: "Sell",
    TermName.REFERRAL: "Referral fee, %",
    TermName.CLOSING: "Closing fee",
    TermName.FBA: "FBA fee",
    TermName.STORAGE: "Storage",
    TermName.PLACEMENT: "Inbound placement",
    TermName.SHIP_OUT: "Shipping to the buyer",
    TermName.RETURNS: "Returns, %",
    TermName.VAT: "VAT on the sale, %",
    TermName.FEE_VAT: "VAT on Amazon’s fees, %",
    TermName.BUY: "Buy",
    TermName.QUANTITY: "Quantity",
    TermName.BUY_SHIPPING: "Shipping of the order",
    TermName.BUY_TAX: "Sales tax on buying, %",
    TermName.BUY_VAT: "VAT back on buying, %",
    TermName.PREP: "Preparation",
    TermName.SHIPPING: "Shipping in",
}
MAIN = frozenset(
    {
        *(TermName.SELL, TermName.REFERRAL, TermName.CLOSING, TermName.FBA, TermName.BUY),
        *(TermName.PREP, TermName.SHIPPING),
    }
)
"""What a page shows in any case; the others stand behind a fold while they change nothing."""
MAX_QUANTITY = 100_000
SOURCES: Mapping[Source, str] = {
    Source.DEAL: "the deal’s price",
    Source.AVERAGE_90: "its average over 90 days",
    Source.AVERAGE_30: "its average over a month",
    Source.AVERAGE_180: "its average over half a year",
    Source.AVERAGE_365: "its average over a year",
    Source.BUY_BOX: "its buy box at the last look",
    Source.ROBUST: "the median of the prices at which it sold",
    Source.AMAZON: "Amazon’s own price, which caps it",
    Source.KEEPA: "told by Keepa",
    Source.SCHEDULE: "Amazon’s published fees",
    Source.LAW: "the rate of the law",
    Source.SETTING: "yours",
    Source.NOT_USED: "no part of this way to sell",
    Source.FEE_FILE: "the file of AMAZON_FEES cannot be used",
    Source.NOT_PUBLISHED: "no rule of this marketplace is known here",
    Source.TYPED: "what you typed",
    Source.NOBODY: "nobody knows",
}
"""Where a value comes from, in words."""


def unit_of(name: TermName) -> Unit:
    if name is TermName.QUANTITY:
        return Unit.COUNT
    return Unit.BASIS_POINTS if name in SHARES else Unit.MONEY


def term_pattern(name: TermName) -> str:
    """What a person may type for a term, as a regular expression of JSON Schema."""
    if name is TermName.QUANTITY:
        return r"^([1-9][0-9]{0,4}|100000)$"
    if unit_of(name) is Unit.BASIS_POINTS:
        return r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)$"
    return r"^[0-9]{1,9}(\.[0-9]{1,2})?$"


@dataclass(frozen=True, slots=True)
class ShownTerm:
    """One term as a row of the form: what is known, and what a person has put in its place."""

    term: Term
    known: Term
    domain_id: int
    text: str = ""
    """What a person typed."""
    problem: str = ""
    """Why that is no value."""

    @property
    def name(self) -> TermName:
        return self.term.name

    @property
    def label(self) -> str:
        return LABELS[self.name]

    @property
    def is_typed(self) -> bool:
        return self.term.source is Source.TYPED or bool(self.problem)

    @property
    def effect(self) -> int | None:
        return None if self.problem else self.term.effect

    @property
    def typed(self) -> str:
        """What stands in the form field: nothing where the term is as known, a wrong text as it was."""
        if self.problem:
            return self.text
        return self._text(self.term) if self.is_typed else ""

    @property
    def known_text(self) -> str:
        """What the empty field stands for."""
        return self._text(self.known) or "unknown"

    @property
    def note(self) -> str:
        return note(self.term)

    @property
    def stands_out(self) -> bool:
        """Whether the page shows it without being asked."""
        return self.name in MAIN or self.is_typed or self.effect != 0

    def _text(self, term: Term) -> str:
        return "" if term.value is None else field_text(unit_of(self.name), term.value, self.domain_id)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The terms and their result. ``changed``: whether a person has put anything in the place of a term."""

    terms: tuple[ShownTerm, ...]
    result: Economics
    break_even: int | None
    changed: bool
    other_way: Fulfilment
    other_profit: int | None
    """The profit if the other one ships: Amazon, or the seller."""
    problems: Mapping[TermName, str] = field(default_factory=dict)
    """Why what was typed for a term is no value. No result answers such a question."""

    @property
    def missing(self) -> list[str]:
        """The labels of the terms that are unknown."""
        return [LABELS[name] for name in self.result.unknown if name not in self.problems]


def note(term: Term) -> str:
    """Where the value of a term comes from, in words; and that it only stands for another."""
    words = SOURCES[term.source]
    return f"assumed: {words}" if term.certainty is Certainty.ASSUMED else words


def what_if(deal: DealRow, pricing: Pricing, typed: Mapping[str, str]) -> WhatIf:
    """The economics of ``deal`` with the terms in ``typed`` (by a person; empty: as known) replaced.

    ``ParameterError`` names the term that is no number, or negative.
    """
    given = read_given(typed, deal.domain_id)
    return _answered(deal, pricing, given, bool(given))


def _answered(deal: DealRow, pricing: Pricing, given: Given, changed: bool) -> WhatIf:
    known = calculation.work_out(deal, pricing)
    result = calculation.work_out(deal, pricing, given) if given else known
    terms = tuple(
        ShownTerm(term, before, deal.domain_id)
        for term, before in zip(result.terms, known.terms, strict=True)
    )
    other = Fulfilment.FBM if pricing.fulfilment is Fulfilment.FBA else Fulfilment.FBA
    return WhatIf(
        terms=terms,
        result=result,
        break_even=calculation.break_even(deal, pricing, given),
        changed=changed,
        other_way=other,
        other_profit=calculation.work_out(deal, replace(pricing, fulfilment=other), given).profit,
    )


def understood_what_if(deal: DealRow, pricing: Pricing, typed: Mapping[str, str]) -> WhatIf:
    """The same with ``typed`` read as people of the deal's marketplace type numbers.

    What can't be read stays in its field and says why; there is no result then.
    """
    given, problems = understand_given(typed, deal.domain_id)
    asked = _answered(deal, pricing, given, bool(given or problems))
    if not problems:
        return asked
    terms = tuple(
        replace(shown, text=typed.get(shown.name, ""), problem=problems.get(shown.name, ""))
        for shown in asked.terms
    )
    nothing = asked.result._replace(profit=None, roi_bp=None, margin_bp=None)
    return replace(asked, terms=terms, result=nothing, break_even=None, other_profit=None, problems=problems)


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
    value = read_amount(name, unit_of(name), text, domain_id)
    if limit := _limit_passed(name, value):
        raise ParameterError(name, f"must be {limit}")
    return value


def understand_given(typed: Mapping[str, str], domain_id: int) -> tuple[Given, Mapping[TermName, str]]:
    """The terms that a person typed, in stored units; and why the others are none."""
    given: dict[TermName, int] = {}
    problems: dict[TermName, str] = {}
    for name in TermName:
        if not (text := typed.get(name, "").strip()):
            continue
        try:
            value = read_typed(unit_of(name), text, domain_id)
        except TypedNumberError as error:
            problems[name] = str(error)
            continue
        if limit := _limit_passed(name, value):
            problems[name] = f"“{quoted(text)}” must be {limit}."
        else:
            given[name] = value
    return given, problems


def _limit_passed(name: TermName, value: int) -> str:
    """What the value of a term must be; empty when it is."""
    if name is TermName.QUANTITY:
        return "" if 1 <= value <= MAX_QUANTITY else f"from 1 to {MAX_QUANTITY}"
    if unit_of(name) is Unit.BASIS_POINTS:
        return "" if 0 <= value <= 10_000 else "from 0 to 100"
    return "" if value >= 0 else "0 or more"


def what_if_json(asked: WhatIf, row: DealRow) -> dict[str, Any]:
    """The same for programs, and for the page's own script."""
    result = asked.result
    return {
        "currency": marketplace(row.domain_id).currency,
        "terms": [_term_json(shown.term) for shown in asked.terms],
        "profit": result.profit,
        "roi_bp": result.roi_bp,
        "margin_bp": result.margin_bp,
        "break_even": asked.break_even,
        "other_way": str(asked.other_way),
        "other_profit": asked.other_profit,
        "unknown": [str(name) for name in result.unknown],
        "doubts": doubt_names(result.doubts),
        "candidates": {str(name): price(row) for name, price in CANDIDATES.items()},
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
