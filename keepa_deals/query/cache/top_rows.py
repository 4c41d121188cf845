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
from keepa_deals.query.cache.columns import place_of
from keepa_deals.query.cache.scan import Chosen
from keepa_deals.query.cursor import Leg
from keepa_deals.query.encoding import NO_TIME, NULL, Array, name_of, to_moment, to_number
from keepa_deals.query.sorts import Sort

Found = list[tuple[Any, int]]
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


def walk(chosen: Sequence[Chosen], sort: Sort, legs: Sequence[Leg], wanted: int) -> Found:
    """The first ``wanted`` rows of an order, leg after leg."""
    name, is_moment = name_of(sort.column), sort.column.type.python_type is datetime
    found: Found = []
    for leg in legs:
        missing = wanted - len(found)
        if leg.is_known:
            found += _Known(name, leg, missing, is_moment).of(chosen)
        else:
            found += _unknown(chosen, name, leg, missing)
        if len(found) == wanted:
            break
    return found


# -- known values --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Known:
    """The first rows of a leg whose value is known."""

    name: str
    leg: Leg
    wanted: int
    is_moment: bool

    def of(self, chosen: Sequence[Chosen]) -> Found:
        axes = [(axis, part) for part in chosen if (axis := _axis(part.block, self.name)).limits()]
        axes.sort(key=lambda pair: self._best(pair[0]), reverse=self.leg.down)
        found: Found = []
        for axis, part in axes:
            worst = found[-1][0] if len(found) == self.wanted else None
            if worst is not None and self._is_beyond(self._best(axis), worst):
                break
            found = sorted(found + self._of_block(axis, part, worst), reverse=self.leg.down)[: self.wanted]
        if self.is_moment:
            return [(to_moment(value), place) for value, place in found]
        return found

    def _best(self, axis: _Axis) -> Any:
        limits = axis.limits()
        assert limits is not None
        return limits[1] if self.leg.down else limits[0]

    def _is_beyond(self, value: Any, worst: Any) -> bool:
        return bool(value < worst if self.leg.down else value > worst)

    def _of_block(self, axis: _Axis, part: Chosen, worst: Any) -> Found:
        keys = axis.keys
        rows = part.rows
        if worst is not None:
            rows = rows & (keys >= axis.first_from(worst) if self.leg.down else keys <= axis.last_to(worst))
        if worst is None or not self.leg.down:  # the unknown is less than any number
            rows = rows & (keys != axis.unknown)
        tie = self._cut_before_cursor(axis, rows)
        at = np.flatnonzero(rows)
        places = part.block.places
        if tie is not None:
            at = at[(keys[at] != tie) | _after(places[at], self._cursor_place(), self.leg.down)]
        at = _first(keys, at, self.wanted, self.leg.down)
        return [
            (axis.at(key), place) for key, place in zip(keys[at].tolist(), places[at].tolist(), strict=True)
        ]

    def _cut_before_cursor(self, axis: _Axis, rows: Array) -> int | None:
        """Takes out the rows before the cursor's value; the number of that value, if the block has it."""
        cursor = self.leg.cursor
        if cursor is None:
            return None
        value = to_number(cursor.value) if self.is_moment else cursor.value
        first, last = axis.first_from(value), axis.last_to(value)
        rows &= axis.keys <= last if self.leg.down else axis.keys >= first
        return first if first == last else None

    def _cursor_place(self) -> int:
        assert self.leg.cursor is not None
        return place_of(self.leg.cursor.domain_id, self.leg.cursor.asin)


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
def _unknown(chosen: Sequence[Chosen], name: str, leg: Leg, wanted: int) -> Found:
    """The first rows of a leg whose value is unknown, by their places."""
    found: list[Array] = []
    for part in chosen:
        axis = _axis(part.block, name)
        places = part.block.places[np.flatnonzero(part.rows & (axis.keys == axis.unknown))]
        if leg.cursor is not None:
            places = places[_after(places, place_of(leg.cursor.domain_id, leg.cursor.asin), leg.down)]
        found.append(places[-wanted:] if leg.down else places[:wanted])
    places = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return [(None, place) for place in (places[::-1] if leg.down else places)[:wanted].tolist()]
