"""Filters of a view that leave no deal by themselves, whatever the table holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.bounds import Bound
from keepa_deals.query.filters.scope import Status
from keepa_deals.query.view import View

_NEVER_IN: dict[str, tuple[Status, ...]] = {
    "ended_reason": (Status.LIVE, Status.STALE, Status.OPEN),
    "back_in_stock": (Status.ENDED,),
}
"""Filters whose deals never have these statuses."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Filters that exclude each other, and why in a sentence."""

    names: Sequence[str]
    text: str


def contradictions(view: View) -> list[Contradiction]:
    """Why the view is empty by itself; nothing when it need not be."""
    return [*_empty_ranges(view), *_impossible_statuses(view)]


def _empty_ranges(view: View) -> Iterator[Contradiction]:
    terms = view.terms({})
    bounds = [(each, value) for each, value in view.filters() if isinstance(each, Bound)]
    for (low, least), (high, most) in permutations(bounds, 2):
        if low.is_lower and not high.is_lower and low.noun == high.noun and least > most:
            span = f"{low.noun} from {low.amount(least, terms)} to {high.amount(most, terms)}"
            text = f"{span} is empty by itself: the second is less than the first."
            yield Contradiction((low.name, high.name), text)


def _impossible_statuses(view: View) -> Iterator[Contradiction]:
    for name, statuses in _NEVER_IN.items():
        if name in view.values and view.status in statuses:
            (words, _), *_ = FILTERS[name].chips(view.values[name], view.terms({}))
            text = f"“{words}” is empty by itself where only {view.status.words} deals are shown."
            yield Contradiction((name, "status"), text)
