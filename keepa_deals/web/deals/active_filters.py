"""The active filters of a view in words, each with the view that is left when it is taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keepa_deals.query.view import View


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter: what it says, and the query string of the view without it."""

    text: str
    without: str


def chips(view: View, categories: Mapping[int, str], searches: Mapping[int, str]) -> list[Chip]:
    """The filters of ``view``; ``categories`` and ``searches`` name those that are known."""
    terms = view.terms(categories, searches)
    return [
        Chip(text, view.having(each, rest).query())
        for each, value in view.filters()
        for text, rest in each.chips(value, terms)
    ]
