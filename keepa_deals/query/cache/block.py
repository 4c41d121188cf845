"""Blocks of deals: arrays that are never changed, so that whoever reads one needs no lock.

A change makes a new block with the same texts; a new deal, or one with another title, goes into a new
block at the end. Small blocks are joined as they gather.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from keepa_deals.query.cache.columns import COLUMNS, Batch, joined
from keepa_deals.query.cache.text_index import Texts, Words
from keepa_deals.query.encoding import NO_TIME, NULL, Array

MAX_ROWS = 65_536
"""Rows of a block: a column of so many lies in the processor's cache."""


@dataclass(frozen=True)
class Block:
    """Deals in the order of their places, without those that ``is_here`` says are gone."""

    places: Array
    arrays: Mapping[str, Array]
    texts: Mapping[str, Texts]
    words: Words
    categories: Array
    """The root categories that occur, ascending; ``arrays["category"]`` has the number of each row's."""
    source: Batch | None
    """What a block that may still be joined with another was made of."""
    _limits: dict[str, tuple[int, int] | None] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def is_sound(self) -> bool:
        """Whether all columns are there, each as long as the block."""
        return all(len(self.arrays.get(name, ())) == len(self) for name in (*COLUMNS, "is_here", "category"))

    @cached_property
    def last_seen_open(self) -> int:
        """When the last of the open deals was seen; ``NO_TIME`` when there is no open one."""
        seen = self.arrays["last_seen_at"][np.flatnonzero(self.arrays["is_open"])]
        return int(seen.max()) if seen.size else NO_TIME

    def limits(self, name: str) -> tuple[int, int] | None:
        """The least and the greatest known number of a column; ``None`` when none is known."""
        if name not in self._limits:
            self._limits[name] = _limits(self.arrays[name])
        return self._limits[name]

    def rows_at(self, places: Array) -> tuple[Array, Array]:
        """The rows of those of the ``places`` that are here, and which of ``places`` they are."""
        rows = np.minimum(np.searchsorted(self.places, places), len(self) - 1)
        hits = np.flatnonzero((self.places[rows] == places) & self.arrays["is_here"][rows])
        return rows[hits], hits

    def without(self, rows: Array) -> Block:
        """The block after these rows have gone."""
        if not rows.size:
            return self
        gone = {name: self.arrays[name].copy() for name in ("is_here", "is_open")}
        for array in gone.values():
            array[rows] = False
        return replace(self, arrays={**self.arrays, **gone})

    def changed(self, rows: Array, batch: Batch) -> Block:
        """The block with ``rows`` as ``batch`` has them, which has as many."""
        if not rows.size:
            return self
        arrays = {name: array.copy() for name, array in self.arrays.items() if name in batch.arrays}
        for name, array in arrays.items():
            array[rows] = batch.arrays[name]
        return replace(self, arrays={**self.arrays, **arrays})

    def flagged(self, name: str, rows: Array) -> Block:
        """The block with one answer set to yes for these rows."""
        if not rows.size:
            return self
        array = self.arrays[name].copy()
        array[rows] = True
        return replace(self, arrays={**self.arrays, name: array})

    def as_batch(self) -> Batch:
        """What is here, to be joined with another block."""
        assert self.source is not None, "a full block is not joined"
        arrays = {name: self.arrays[name] for name in self.source.arrays}
        return Batch(self.places, arrays, self.source.texts).take(np.flatnonzero(self.arrays["is_here"]))


def _limits(values: Array) -> tuple[int, int] | None:
    """Counted from the least known number on, without a sign, the unknown is the greatest."""
    is_long = values.dtype == np.int64
    start = (NO_TIME if is_long else NULL) + 1
    most = int(values.max())
    if most < start:
        return None
    counted = (values - values.dtype.type(start)).view(np.uint64 if is_long else np.uint32)
    return int(counted.min()) + start, most


def build(batch: Batch) -> Block:
    """A block of these rows, at most ``MAX_ROWS``."""
    batch = batch.take(np.argsort(batch.places))
    categories, numbers = np.unique(batch.arrays["root_category"], return_inverse=True)
    own = {"category": numbers.astype(np.intp), "is_here": np.ones(len(batch), bool)}
    titles, brands, names = zip(*batch.texts, strict=True)
    return Block(
        batch.places,
        {**batch.arrays, **own},
        {"title": Texts(titles), "brand": Texts(brands), "category_name": Texts(names)},
        Words([f"{title}\n{brand or ''}" for title, brand in zip(titles, brands, strict=True)]),
        categories,
        batch if len(batch) < MAX_ROWS else None,
    )


def built(batch: Batch) -> Iterator[Block]:
    """Blocks of any number of rows."""
    for start in range(0, len(batch), MAX_ROWS):
        yield build(batch.take(np.arange(start, min(start + MAX_ROWS, len(batch)))))


def updated(blocks: Sequence[Block], batch: Batch) -> list[Block]:
    """The blocks after the deals of ``batch`` came or changed."""
    if not len(batch):
        return list(blocks)
    new = np.ones(len(batch), bool)
    kept: list[Block] = []
    for block in blocks:
        rows, which = block.rows_at(batch.places)
        same = block.arrays["signature"][rows] == batch.arrays["signature"][which]
        new[which[same]] = False
        fresh = block.changed(rows[same], batch.take(which[same])).without(rows[~same])
        if fresh.arrays["is_here"].any():
            kept.append(fresh)
    arrived = batch.take(np.flatnonzero(new))
    return _appended(kept, arrived) if len(arrived) else kept


def _appended(blocks: list[Block], batch: Batch) -> list[Block]:
    """The blocks and new rows. A block that is less than twice as big as what follows is joined with it."""
    parts = [batch]
    size = len(batch)
    while blocks and blocks[-1].source is not None and len(blocks[-1]) < 2 * size:
        if len(blocks[-1]) + size > MAX_ROWS:
            break
        part = blocks.pop().as_batch()
        parts.append(part)
        size += len(part)
    whole = joined(parts)
    return [*blocks, *built(whole)]
