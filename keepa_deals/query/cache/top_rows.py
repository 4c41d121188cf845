"""One page of an order: the first rows after a place, without sorting what comes later.

Blocks are looked at the best first. Once there are enough rows, a block needs to show only what is better
than the last of them, mostly nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from keepa_deals.query.cache.block import Block
from keepa_deals.query.cache.columns import keys_at, place_of
from keepa_deals.query.cache.snapshot import Chosen
from keepa_deals.query.cursor import Cursor, Place, Segment, segments
from keepa_deals.query.encoding import NO_TIME, NULL, Array, name_of, to_moment, to_number
from keepa_deals.query.sorts import SORTS
from keepa_deals.query.view import View

TopRows = list[tuple[Any, int]]
"""Values and places, in the order of the page."""


class _Axis(Protocol):
    """The values by which a block is ordered, as numbers of the same order."""

    keys: Array
    """``unknown`` where there is no value."""
    unknown: int

    def limits(self) -> tuple[Any, Any] | None:
        """The least and the greatest value."""
        ...

    def first_from(self, value: Any) -> int:
        """The least number of a value that is not less."""
        ...

    def last_to(self, value: Any) -> int:
        """The greatest number of a value that is not greater."""
        ...

    def at(self, number: int) -> Any: ...


class _NumberAxis:
    def __init__(self, block: Block, name: str) -> None:
        self.keys = block.arrays[name]
        self.unknown = NO_TIME if self.keys.dtype == np.int64 else NULL
        self.limits: Callable[[], tuple[int, int] | None] = lambda: block.limits(name)

    def first_from(self, value: int) -> int:
        return value

    last_to = first_from

    def at(self, number: int) -> int:
        return number


class _TextAxis:
    unknown = NULL

    def __init__(self, block: Block, name: str) -> None:
        texts = block.texts[name]
        self.keys = texts.codes
        self.limits: Callable[[], tuple[str, str] | None] = lambda: texts.limits
        self.first_from = texts.first_from
        self.last_to = texts.last_to
        self.at = texts.at


def _axis(block: Block, name: str) -> _Axis:
    return _TextAxis(block, name) if name in block.texts else _NumberAxis(block, name)


def first_places(chosen: Sequence[Chosen], view: View, cursor: Cursor | None, wanted: int) -> list[Place]:
    """The first ``wanted`` places of the view's order after the cursor."""
    rows = first_rows(chosen, view, cursor, wanted)
    keys = keys_at([place for _, place in rows])
    return [Place(key, value) for key, (value, _) in zip(keys, rows, strict=True)]


def first_rows(chosen: Sequence[Chosen], view: View, cursor: Cursor | None, wanted: int) -> TopRows:
    """The first ``wanted`` rows of an order, segment after segment."""
    sort = SORTS[view.sort]
    name, is_moment = name_of(sort.column), sort.column.type.python_type is datetime
    rows: TopRows = []
    for segment in segments(sort, view.order, cursor):
        missing = wanted - len(rows)
        if segment.is_known:
            rows += _Known(name, segment, missing, is_moment).of(chosen)
        else:
            rows += _unknown(chosen, name, segment, missing)
        if len(rows) == wanted:
            break
    return rows


# -- known values --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Known:
    """The first rows of a segment whose value is known."""

    name: str
    segment: Segment
    wanted: int
    is_moment: bool

    def of(self, chosen: Sequence[Chosen]) -> TopRows:
        axes = [(axis, part) for part in chosen if (axis := _axis(part.block, self.name)).limits()]
        axes.sort(key=lambda pair: self._best(pair[0]), reverse=self.segment.down)
        top: TopRows = []
        for axis, part in axes:
            worst = top[-1][0] if len(top) == self.wanted else None
            if worst is not None and self._is_beyond(self._best(axis), worst):
                break
            top = sorted(top + self._of_block(axis, part, worst), reverse=self.segment.down)[: self.wanted]
        if self.is_moment:
            return [(to_moment(value), place) for value, place in top]
        return top

    def _best(self, axis: _Axis) -> Any:
        limits = axis.limits()
        assert limits is not None
        return limits[1] if self.segment.down else limits[0]

    def _is_beyond(self, value: Any, worst: Any) -> bool:
        return bool(value < worst if self.segment.down else value > worst)

    def _of_block(self, axis: _Axis, part: Chosen, worst: Any) -> TopRows:
        keys = axis.keys
        rows = part.rows
        if worst is not None:
            rows = rows & (
                keys >= axis.first_from(worst) if self.segment.down else keys <= axis.last_to(worst)
            )
        if worst is None or not self.segment.down:  # the unknown is less than any number
            rows = rows & (keys != axis.unknown)
        tie = self._cut_before_cursor(axis, rows)
        at = np.flatnonzero(rows)
        places = part.block.places
        if tie is not None:
            at = at[(keys[at] != tie) | _after(places[at], self._cursor_place(), self.segment.down)]
        at = _first(keys, at, self.wanted, self.segment.down)
        return [
            (axis.at(key), place) for key, place in zip(keys[at].tolist(), places[at].tolist(), strict=True)
        ]

    def _cut_before_cursor(self, axis: _Axis, rows: Array) -> int | None:
        """Takes out the rows before the cursor's value; the number of that value, if the block has it."""
        cursor = self.segment.cursor
        if cursor is None:
            return None
        value = to_number(cursor.value) if self.is_moment else cursor.value
        first, last = axis.first_from(value), axis.last_to(value)
        rows &= axis.keys <= last if self.segment.down else axis.keys >= first
        return first if first == last else None

    def _cursor_place(self) -> int:
        assert self.segment.cursor is not None
        return place_of(self.segment.cursor.domain_id, self.segment.cursor.asin)


def _first(keys: Array, at: Array, wanted: int, down: bool) -> Array:
    """Of the rows ``at``, which ascend, the first ``wanted`` by key and then by row, in no order."""
    if at.size <= wanted:
        return at
    values = keys[at]
    if down:
        values, at = ~values[::-1], at[::-1]  # the greatest first, and of equal ones the last
    border = np.partition(values, wanted - 1)[wanted - 1]
    before = at[values < border]
    return np.concatenate([before, at[values == border][: wanted - before.size]])


def _after(places: Array, place: int, down: bool) -> Array:
    return places < place if down else places > place


# -- unknown values ------------------------------------------------------------------------------
def _unknown(chosen: Sequence[Chosen], name: str, segment: Segment, wanted: int) -> TopRows:
    """The first rows of a segment whose value is unknown, by their places."""
    parts: list[Array] = []
    for part in chosen:
        axis = _axis(part.block, name)
        places = part.block.places[np.flatnonzero(part.rows & (axis.keys == axis.unknown))]
        if segment.cursor is not None:
            places = places[
                _after(places, place_of(segment.cursor.domain_id, segment.cursor.asin), segment.down)
            ]
        parts.append(places[-wanted:] if segment.down else places[:wanted])
    places = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
    return [(None, place) for place in (places[::-1] if segment.down else places)[:wanted].tolist()]
