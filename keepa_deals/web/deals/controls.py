"""The choices that the deals page offers, each as (what it says, what it leads to)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from keepa_deals.query.columns import Interval
from keepa_deals.query.view import LOOKS, Density, Layout, Status, View
from keepa_deals.web.deals.saved_views import Named
from keepa_deals.web.format import ENDED_REASONS

FOUND_WITHIN = {1: "1 hour", 6: "6 hours", 24: "1 day", 72: "3 days", 168: "7 days"}
SEEN_WITHIN = {5: "5 min", 15: "15 min", 30: "30 min"}
PAGE_SIZES = {25: "25 deals", 50: "50 deals", 100: "100 deals", 200: "200 deals"}

Choice = tuple[str, View, bool]
"""What a link says, the view that it leads to, and whether that is the present one."""


def intervals(view: View) -> Sequence[Choice]:
    words = {Interval.DAY: "Day", Interval.WEEK: "Week", Interval.MONTH: "Month", Interval.DAYS_90: "90 d"}
    return [(text, view.over(interval), interval is view.interval) for interval, text in words.items()]


def layouts(view: View) -> Sequence[Choice]:
    return [(kind.title(), replace(view, layout=kind), kind is view.layout) for kind in Layout]


def densities(view: View) -> Sequence[Choice]:
    words = {Density.COMFORTABLE: "Roomy", Density.COMPACT: "Dense"}
    return [(text, replace(view, density=kind), kind is view.density) for kind, text in words.items()]


def statuses(view: View, counts: Mapping[Status, int | None]) -> Sequence[tuple[str, int | None, View, bool]]:
    """As the others, with how many deals each has. Live and stale together show when they are chosen."""
    words = {Status.LIVE: "Live", Status.STALE: "Stale", Status.OPEN: "Live and stale"}
    words |= {Status.ENDED: "Ended", Status.ALL: "All"}
    return [
        (text, counts[status], replace(view, status=status), status is view.status)
        for status, text in words.items()
        if status is not Status.OPEN or status is view.status
    ]


@dataclass(frozen=True, slots=True)
class NamedChoice:
    """A named view as a link. ``is_exact`` when it is the present one to the last parameter."""

    name: str
    query: str
    builtin: bool
    is_here: bool
    is_exact: bool
    count: int | None
    """How many deals it has; ``None`` when that is not known, or the same as of all."""


def named(view: View, views: Sequence[Named], tallies: Mapping[str, int]) -> Sequence[NamedChoice]:
    """The named views; one that does not say how its deals look is shown as the reader looks at them now."""
    here = view.query()
    bare = urlencode([pair for pair in view.parameters() if pair[0] not in LOOKS])
    exact = [one.name for one in views if one.query == here]
    found = []
    for one in views:
        has_looks = any(name in LOOKS for name, _ in parse_qsl(one.query))
        query = one.query if has_looks else "&".join(filter(None, (one.query, urlencode(view.looks))))
        is_here = one.name in exact if exact else one.query == bare
        count = tallies.get(one.query)
        found.append(NamedChoice(one.name, query, one.builtin, is_here, one.name in exact, count))
    return found


def ended_reasons() -> list[tuple[str, str]]:
    """Why a deal may have ended, as the options of a list."""
    return [(reason, words[:1].upper() + words[1:]) for reason, words in ENDED_REASONS.items()]


def with_value(options: Mapping[int, str], value: int | None, unit: str) -> list[tuple[int, str]]:
    """The options of a list; a ``value`` from an address that is none of them is offered, too."""
    extra = {} if value is None or value in options else {value: f"{value} {unit}"}
    return sorted({**options, **extra}.items())
