"""The column cache at one moment, and which deals of each block a view leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from keepa_deals.deals.freshness import AsOf
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.marks.marks import NO_MARKS, MarkKind, Marks
from keepa_deals.query.cache import mark_masks
from keepa_deals.query.cache.block import Block
from keepa_deals.query.cache.columns import place_of
from keepa_deals.query.encoding import Array, to_number
from keepa_deals.query.filters.base import Context, Filter, NullableFilter
from keepa_deals.query.filters.scope import CATEGORY, STATUS, Status
from keepa_deals.query.view import View

FEW = 8
"""Less than this part of a block's rows are picked out instead of looking at all."""


@dataclass(frozen=True)
class Chosen:
    """What a view leaves of a block, as masks."""

    block: Block
    rows: Array
    """The deals that fulfil everything."""
    but_categories: Array
    """Those that fulfil everything but the choice of categories."""
    but_nullable: Array
    """Those that fulfil everything but the nullable filters."""
    match_count: Array
    """How many of the nullable filters each of these fulfils."""

    def of_status(self, status: Status, context: Context) -> Chosen | None:
        """What is left of it by a status, too."""
        of_status = _of_status(self.block, status, context)
        if of_status is None or not of_status.any():
            return None
        return Chosen(
            self.block,
            self.rows & of_status,
            self.but_categories & of_status,
            self.but_nullable & of_status,
            self.match_count,
        )


@dataclass
class CacheSnapshot:
    """The cache at one moment, for one request; its answers to one view share the search."""

    blocks: Sequence[Block]
    categories: Mapping[int, str]
    """The names of the root categories."""
    is_whole: bool = True
    """Whether the ended deals are there, too."""
    newest_event: datetime | None = None
    """When the newest event happened that the cache knows: what comes later is not in it."""
    searches: Mapping[int, int] = field(default_factory=dict)
    """The marketplaces of the searches."""
    marks: Marks = NO_MARKS
    """Those of whoever asks."""
    _known: dict[Status, tuple[View, AsOf, list[Chosen]]] = field(default_factory=dict, init=False)

    @property
    def is_sound(self) -> bool:
        """Whether every block has all its columns, and they are as long as it is."""
        return all(block.is_sound for block in self.blocks)

    def of_reader(self, marks: Marks) -> CacheSnapshot:
        """The same for whoever made these marks."""
        return self if self.marks is marks else replace(self, marks=marks)

    def can_tell(self, view: View) -> bool:
        return self.is_whole or view.status in (Status.LIVE, Status.STALE, Status.OPEN)

    def chosen(self, view: View, as_of: AsOf) -> list[Chosen]:
        """What the view leaves of each block, without the blocks of which it leaves nothing."""
        if (chosen := self._known_of(view.status, view, as_of)) is None:
            parts: Iterator[Chosen | None]
            if (every := self._known_of(Status.ALL, view, as_of)) is not None:
                context = view.context(as_of, self.searches, self.marks)
                parts = (part.of_status(view.status, context) for part in every)
            else:
                context = view.context(as_of, self.searches, self.marks)
                parts = (_choose(block, view, context) for block in self.blocks)
            chosen = [part for part in parts if part is not None]
            self._known[view.status] = view, as_of, chosen
        return chosen

    def _known_of(self, status: Status, view: View, as_of: AsOf) -> list[Chosen] | None:
        """What was found before of the view, but with that status."""
        known = self._known.get(status)
        if known is None or known[1] != as_of or known[0] != view.having(STATUS, status):
            return None
        return known[2]


# -- filters -------------------------------------------------------------------------------------
class BlockRows:
    """The deals of a block, or some of them, as filters read them."""

    def __init__(self, block: Block, at: Array | None = None) -> None:
        self._block = block
        self.at = at
        """The numbers of the rows; ``None`` means all of the block."""

    def __len__(self) -> int:
        return len(self._block) if self.at is None else self.at.size

    def column(self, name: str) -> Array:
        return self._picked(self._block.arrays[name])

    def mentioning(self, word: str) -> Array:
        return self._picked(self._block.words.find(word))

    def with_asin(self, asin: str) -> Array:
        rows = np.zeros(len(self._block), bool)
        try:
            places = np.array([place_of(domain, asin) for domain in MARKETPLACES], np.int64)
        except ValueError:  # no ASIN
            return self._picked(rows)
        rows[self._block.rows_at(places)[0]] = True
        return self._picked(rows)

    def in_categories(self, numbers: Collection[int]) -> Array:
        wanted = np.isin(self._block.categories, list(numbers))
        return wanted[self.column("category")]

    def marked(self, marks: Marks, kind: MarkKind) -> Array:
        return self._picked(mark_masks.mask(self._block, marks, kind))

    def _picked(self, values: Array) -> Array:
        return values if self.at is None else values[self.at]


def _choose(block: Block, view: View, context: Context) -> Chosen | None:
    rows = _of_status(block, view.status, context)
    if rows is None:
        return None
    whole = BlockRows(block)
    for each, value in _plain_filters(view):
        if not rows.any():
            return None
        rows &= each.mask(value, context, whole)
    nullable = view.nullable_filters()
    match_count = _match_count(block, rows, nullable, context, include_unknown=view.include_unknown)
    fulfilled = rows & (match_count == len(nullable)) if nullable else rows
    categories = view.value_of(CATEGORY)
    if categories is None:
        return Chosen(block, fulfilled, fulfilled, rows, match_count)
    wanted = CATEGORY.mask(categories, context, whole)
    return Chosen(block, fulfilled & wanted, fulfilled, rows & wanted, match_count)


def _plain_filters(view: View) -> list[tuple[Filter[Any], Any]]:
    """The filters that every deal can answer, but for the status and the categories."""
    plain = [
        (each, value)
        for each, value in view.conditions()
        if not isinstance(each, NullableFilter) and each not in (STATUS, CATEGORY) and each.narrows
    ]
    return sorted(plain, key=lambda pair: pair[0].cost)


Nullable = Sequence[tuple[NullableFilter[Any], Any]]


def _match_count(
    block: Block, rows: Array, nullable: Nullable, context: Context, *, include_unknown: bool
) -> Array:
    """How many of the filters each of ``rows`` fulfils, or may be unknown to."""
    picked = pick(block, rows)
    counts = np.zeros(len(picked), np.uint8)
    for each, value in nullable:
        counts += each.mask(value, context, picked)
        if include_unknown:
            counts += each.unknown_mask(value, context, picked)
    if picked.at is None:
        return counts
    every = np.zeros(len(block), np.uint8)
    every[picked.at] = counts
    return every


def pick(block: Block, rows: Array) -> BlockRows:
    """These rows alone where they are few; all rows of the block otherwise."""
    if np.count_nonzero(rows) * FEW > len(block):
        return BlockRows(block)
    return BlockRows(block, np.flatnonzero(rows))


def _of_status(block: Block, status: Status, context: Context) -> Array | None:
    """A mask of its own of the deals of a status; ``None`` when there is clearly none."""
    if status is Status.LIVE and block.last_seen_open < to_number(context.as_of.live_since):
        return None
    return block.arrays["is_here"] & STATUS.mask(status, context, BlockRows(block))
