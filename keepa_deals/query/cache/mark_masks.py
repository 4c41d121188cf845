"""Which deals of a block a reader has marked: a few keys and rules, looked up in its places."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import ReferenceType, ref

import numpy as np

from keepa_deals.marks.marks import Key, MarkKind, Marks
from keepa_deals.query.cache.block import Block
from keepa_deals.query.cache.columns import places_of
from keepa_deals.query.encoding import NULL, Array


@dataclass(frozen=True, slots=True)
class MarkPlaces:
    """Marks as the cache knows deals: by their places, ascending."""

    starred: Array
    bought: Array
    noted: Array
    hidden: Array
    limits: Array
    """The price at which each hidden one is shown again; ``NULL``: never."""
    _rows: dict[tuple[int, MarkKind], _Rows] = field(default_factory=dict, init=False, compare=False)

    def rows_in(self, block: Block, kind: MarkKind) -> tuple[Array, Array]:
        """As ``Block.rows_at``, but looked up once for a block and all that it becomes by changes."""
        key = id(block.places), kind
        found = self._rows.get(key)
        if found is None or found.of() is not block.places:
            found = _looked_up(block.places, getattr(self, kind))
            self._forget_gone()
            self._rows[key] = found
        is_here = block.arrays["is_here"][found.at]
        return found.at[is_here], found.which[is_here]

    def _forget_gone(self) -> None:
        for key, rows in self._rows.copy().items():
            if rows.of() is None:
                self._rows.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of marked places in a block, whether they are here or gone."""

    of: ReferenceType[Array]
    """The block's places, which it shares with those that follow it."""
    at: Array
    which: Array


def _looked_up(places: Array, its: Array) -> _Rows:
    rows = np.minimum(np.searchsorted(places, its), len(places) - 1)
    hits = np.flatnonzero(places[rows] == its)
    return _Rows(ref(places), rows[hits], hits)


@lru_cache(maxsize=16)  # of readers who marked much, some MB each
def mark_places(marks: Marks) -> MarkPlaces:
    """A reader's marks as places."""
    hidden = _places(marks.hidden)
    limits = np.array([NULL if limit is None else limit for limit in marks.hidden.values()], np.int32)
    order = np.argsort(hidden)
    starred, bought, noted = (np.sort(_places(keys)) for keys in (marks.starred, marks.bought, marks.noted))
    return MarkPlaces(starred, bought, noted, hidden[order], limits[order])


def _places(keys: Collection[Key]) -> Array:
    return places_of(*zip(*keys, strict=True)) if keys else np.zeros(0, np.int64)


def mask(block: Block, marks: Marks, kind: MarkKind) -> Array:
    """The rows that have the mark; hidden ones as ``Marks.hidden_by`` says."""
    rows = np.zeros(len(block), bool)
    places = mark_places(marks)
    if kind is MarkKind.HIDDEN:
        _hide(block, marks, places, rows)
    else:
        rows[places.rows_in(block, kind)[0]] = True
    return rows


def _hide(block: Block, marks: Marks, places: MarkPlaces, rows: Array) -> None:
    at, which = places.rows_in(block, MarkKind.HIDDEN)
    prices, limits = block.arrays["price"][at], places.limits[which]
    rows[at] = (prices == NULL) | (prices > limits)
    if marks.brands:
        brands = block.texts["brand"]
        codes = [code for brand in marks.brands if (code := brands.code_of(brand)) is not None]
        rows |= np.isin(brands.codes, codes)
    for domain_id, category in marks.categories:
        number = np.flatnonzero(block.categories == category)
        if number.size:
            rows |= (block.arrays["domain_id"] == domain_id) & (block.arrays["category"] == number[0])
