"""The active filters of a view in words, each with the view that is left when it is taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keepa_deals.deals.money import money, whole
from keepa_deals.formats import span
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.columns import RANGES, Range, Unit
from keepa_deals.query.view import Status, View
from keepa_deals.web.format import ENDED_REASONS

STATUS_WORDS = {
    Status.LIVE: "live",
    Status.STALE: "stale",
    Status.OPEN: "live and stale",
    Status.ENDED: "ended",
    Status.ALL: "all",
}
_FLAG_WORDS = {
    ("lowest", "ever"): "Lowest price ever",
    ("lowest", "90"): "Lowest price of 90 days",
    ("amazon", "yes"): "Amazon sells it",
    ("amazon", "no"): "Amazon does not sell it",
    ("back_in_stock", "1"): "Back in stock",
    ("unknown", "1"): "Unknown values shown",
    **{("ended_reason", reason): f"Ended: {words}" for reason, words in ENDED_REASONS.items()},
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter: what it says, and the query string of the view without it."""

    text: str
    without: str


def chips(view: View, categories: Mapping[int, str]) -> list[Chip]:
    """The filters of ``view``; ``categories`` names those that are known."""
    return [Chip(text, view.without(name, value).query()) for name, value, text in _filters(view, categories)]


def _filters(view: View, categories: Mapping[int, str]) -> Iterator[tuple[str, str, str]]:
    if view.text:
        yield "q", "", f"“{view.text}”"
    if view.domain:
        yield "domain", "", marketplace(view.domain).name
    for category in view.categories:
        yield "category", str(category), categories.get(category, f"Category {category}")
    if view.status is not Status.LIVE:
        yield "status", "", f"Status: {STATUS_WORDS[view.status]}"
    for name, value in view.bounds.items():
        yield name, "", _bound_words(view, RANGES[name], value)
    for name, flag in view.flags.items():
        yield name, "", _FLAG_WORDS[name, str(flag)]
    if view.found_within:
        yield "found_within", "", f"Found within {span(view.found_within * 3600)}"
    if view.price_changed_within:
        words = f"Price changed within {span(view.price_changed_within * 3600)}"
        yield "price_changed_within", "", words
    if view.seen_within:
        yield "seen_within", "", f"Seen within {span(view.seen_within * 60)}"


def _bound_words(view: View, bound: Range, value: int) -> str:
    over = f" over {view.interval.words}" if bound.by_interval else ""
    return f"{bound.noun} {'≥' if bound.lower else '≤'} {_amount(view, bound, value)}{over}"


def _amount(view: View, bound: Range, value: int) -> str:
    match bound.unit:
        case Unit.MONEY:
            return money(value, view.money_domain)
        case Unit.PERCENT | Unit.BASIS_POINTS:
            return f"{view.typed(bound.name)} %"
        case Unit.STARS:
            return f"{view.typed(bound.name)} stars"
        case _:
            return whole(value)
