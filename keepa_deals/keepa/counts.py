"""How many deals match a selection, told from the counts that each page of the feed carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CATEGORY_FILTERS = ("includeCategories", "excludeCategories")


def counted_matches(page_counts: Mapping[int, int], selection: Mapping[str, Any]) -> int | None:
    """How many deals match ``selection`` by a page's counts (root category: deals), or ``None``: unknown.

    The counts follow every filter but those by category (Keepa docs: Browsing Deals, ``categoryCount``;
    recorded: they sum to 2,904 to 2,975 where 724 to 792 match). They are by root category, and each deal
    has one, so a filter by roots that are among them can be applied to them; one by sub-categories cannot.
    The documentation lists the category filters among those that ``isFilterEnabled`` switches on, and its
    own example sets them without it: with the switch off, only an answer that holds both ways is given.
    """
    everything = sum(page_counts.values())
    included, excluded = (_categories(selection, name) for name in _CATEGORY_FILTERS)
    if not included and not excluded:
        return everything
    filtered = _filtered(page_counts, included, excluded)
    if not selection.get("isFilterEnabled") and filtered != everything:
        return None
    return filtered


def _filtered(counts: Mapping[int, int], included: frozenset[int], excluded: frozenset[int]) -> int | None:
    if not included | excluded <= counts.keys():
        return None  # a sub-category, or a root without deals: the counts cannot tell which
    kept = (included or counts.keys()) - excluded
    return sum(counts[root] for root in kept)


def _categories(selection: Mapping[str, Any], name: str) -> frozenset[int]:
    return frozenset(selection.get(name) or ())
