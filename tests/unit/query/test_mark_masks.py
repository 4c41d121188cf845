"""The marked rows of a block: looked up once, and right for all that the block becomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keepa_deals.marks.marks import MarkKind as Kind
from keepa_deals.marks.marks import Marks
from keepa_deals.query.cache import mark_masks
from keepa_deals.query.cache.block import Block
from keepa_deals.query.cache.columns import Batch, places_of
from keepa_deals.query.cache.text_index import Words
from keepa_deals.query.encoding import Array

KEYS = [(1, f"B{number:09d}") for number in range(8)]
MARKS = Marks(0, starred=frozenset(KEYS[2:4]), hidden={KEYS[0]: None, KEYS[5]: 100, (3, "B000000001"): None})


def block_of(first: int, last: int) -> Block:
    places = np.sort(places_of(*zip(*KEYS[first:last], strict=True)))
    arrays: dict[str, Array] = {
        "is_here": np.ones(len(places), bool),
        "is_open": np.ones(len(places), bool),
        "price": np.full(len(places), 500, np.int32),
    }
    return Block(places, arrays, {}, Words([]), np.zeros(0, np.int64), None)


def marked(block: Block, kind: Kind) -> list[int]:
    return np.flatnonzero(mark_masks.mask(block, MARKS, kind)).tolist()


def test_rows_follow_a_block_that_changes() -> None:
    block = block_of(0, 8)
    assert (marked(block, Kind.STARRED), marked(block, Kind.HIDDEN)) == ([2, 3], [0, 5])
    cheaper = block.changed(np.array([5]), Batch(block.places[5:6], {"price": np.array([100], np.int32)}, []))
    assert marked(cheaper, Kind.HIDDEN) == [0]
    gone = cheaper.without(np.array([0, 2]))
    assert (marked(gone, Kind.STARRED), marked(gone, Kind.HIDDEN)) == ([3], [])
    assert (marked(block, Kind.STARRED), marked(block, Kind.HIDDEN)) == ([2, 3], [0, 5])


def test_each_block_has_rows_of_its_own_and_those_of_no_block_are_forgotten() -> None:
    places = mark_masks.mark_places(MARKS)
    for _ in range(50):  # the address of an array that is gone is soon another's
        for first in range(4):
            block = block_of(first, first + 4)
            its = [number - first for number in (2, 3) if first <= number < first + 4]
            assert marked(block, Kind.STARRED) == its
    assert len(places._rows) <= 2


def test_a_block_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    block, marks = block_of(0, 8), replace(MARKS)
    mark_masks.mask(block, marks, Kind.STARRED)
    monkeypatch.setattr(mark_masks, "_looked_up", None)
    assert mark_masks.mask(block.without(np.array([3])), marks, Kind.STARRED).tolist() == [
        number == 2 for number in range(8)
    ]
