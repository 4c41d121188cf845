"""How many deals a view leaves: answered by the column cache exactly as ``query.database`` answers."""

from __future__ import annotations

from collections import Counter

import numpy as np

from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import MarkKind
from keepa_deals.query.cache import mark_masks
from keepa_deals.query.cache.snapshot import BlockRows, CacheSnapshot, pick
from keepa_deals.query.database import SEVERAL, CategoryCount, StatusCounts
from keepa_deals.query.encoding import to_number
from keepa_deals.query.filters.base import NullableFilter
from keepa_deals.query.filters.marked import MARKED
from keepa_deals.query.filters.scope import STATUS, Status
from keepa_deals.query.view import View


def count(snapshot: CacheSnapshot, view: View, as_of: AsOf) -> int:
    return sum(int(np.count_nonzero(part.rows)) for part in snapshot.chosen(view, as_of))


def count_by_status(snapshot: CacheSnapshot, view: View, as_of: AsOf) -> StatusCounts:
    """How many live, stale and ended deals the other filters of ``view`` leave, by one search for all."""
    since, totals = to_number(as_of.live_since), np.zeros(3, np.int64)
    for part in snapshot.chosen(view.having(STATUS, Status.ALL), as_of):
        is_open = part.rows & part.block.arrays["is_open"]
        live = is_open & (part.block.arrays["last_seen_at"] >= since)
        every, going, lively = (int(np.count_nonzero(mask)) for mask in (part.rows, is_open, live))
        totals += (lively, going - lively, every - going)
    live_count, stale, ended = totals.tolist()
    return live_count, stale, ended


def count_hidden(snapshot: CacheSnapshot, view: View, as_of: AsOf) -> dict[str, int]:
    """How many deals are hidden only for being unknown: by each filter alone, and by ``SEVERAL`` together."""
    nullable, context = view.nullable_filters(), view.context(as_of, snapshot.searches, snapshot.marks)
    counts: Counter[str] = Counter()
    for part in snapshot.chosen(view, as_of):
        failing = part.but_nullable & (part.match_count < len(nullable))
        picked = pick(part.block, failing)
        unknown = [each.unknown_mask(value, context, picked) for each, value in nullable]
        times = np.zeros(len(picked), np.uint8)
        for mask in unknown:
            times += mask
        matched = part.match_count if picked.at is None else part.match_count[picked.at]
        hidden = times + matched == len(nullable)
        if picked.at is None:
            hidden &= failing
        alone = hidden & (times == 1)
        for (each, _), mask in zip(nullable, unknown, strict=True):
            counts[each.name] += int(np.count_nonzero(alone & mask))
        counts[SEVERAL] += int(np.count_nonzero(hidden) - np.count_nonzero(alone))
    names = (*(each.name for each, _ in nullable), SEVERAL)
    return {name: counts[name] for name in names if counts[name]}


def count_put_aside(snapshot: CacheSnapshot, view: View, as_of: AsOf) -> int:
    """How many deals the view would have if their reader had not hidden them; only these are looked at."""
    context, total = view.context(as_of, snapshot.searches, snapshot.marks), 0
    conditions = [(each, value) for each, value in view.conditions() if each.narrows and each is not MARKED]
    for block in snapshot.blocks:
        hidden = mark_masks.mask(block, snapshot.marks, MarkKind.HIDDEN) & block.arrays["is_here"]
        if not hidden.any():
            continue
        rows = BlockRows(block, np.flatnonzero(hidden))
        left = np.ones(len(rows), bool)
        for each, value in conditions:
            fulfilled = each.mask(value, context, rows)
            if view.include_unknown and isinstance(each, NullableFilter):
                fulfilled = fulfilled | each.unknown_mask(value, context, rows)
            left &= fulfilled
        total += int(np.count_nonzero(left))
    return total


def count_categories(snapshot: CacheSnapshot, view: View, as_of: AsOf) -> list[CategoryCount]:
    """Number, name and count of each root category that the view's other filters leave."""
    totals: Counter[int] = Counter()
    for part in snapshot.chosen(view, as_of):
        known = part.block.categories
        numbers = part.block.arrays["category"][np.flatnonzero(part.but_categories)]
        counts = np.bincount(numbers, minlength=known.size)
        totals.update(dict(zip(known.tolist(), counts.tolist(), strict=True)))
    return [(number, snapshot.categories.get(number), total) for number, total in totals.items() if total]
