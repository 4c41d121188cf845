"""The dashboard's questions, answered by the copy exactly as ``web.store`` has the database answer them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from keepa_deals.web.columns import RANGES, Range
from keepa_deals.web.replica.block import Block
from keepa_deals.web.replica.fields import NULL, UNKNOWN, Array, name_of, place_of, to_number
from keepa_deals.web.view import Status, View

if TYPE_CHECKING:
    from keepa_deals.web.store import Moment


@dataclass(frozen=True)
class Chosen:
    """What a view leaves of a block, as masks."""

    block: Block
    rows: Array
    """The deals that fulfil everything."""
    but_categories: Array
    """Those that fulfil everything but the choice of categories."""
    but_questions: Array
    """Those that fulfil everything but the ``questions``."""
    held: Array
    """How many of the ``questions`` each deal fulfils, whatever else it does."""


@dataclass
class Look:
    """The copy at one moment, for one request; its answers to one view share the search."""

    blocks: Sequence[Block]
    categories: Mapping[int, str]
    """The names of the root categories."""
    is_whole: bool = True
    """Whether the ended deals are there, too."""
    _last: tuple[View, Moment, list[Chosen]] | None = field(default=None, init=False)

    def can_tell(self, view: View) -> bool:
        return self.is_whole or view.status in (Status.LIVE, Status.STALE, Status.OPEN)

    def chosen(self, view: View, moment: Moment) -> list[Chosen]:
        """What the view leaves of each block, without the blocks of which it leaves nothing."""
        if self._last is None or self._last[0] is not view or self._last[1] != moment:
            found = [part for block in self.blocks if (part := _choose(block, view, moment)) is not None]
            self._last = (view, moment, found)
        return self._last[2]


# -- filters -------------------------------------------------------------------------------------
def _choose(block: Block, view: View, moment: Moment) -> Chosen | None:
    rows = _of_status(block, view.status, moment)
    if rows is None:
        return None
    for condition in _plain(block, view, moment):
        rows &= condition
    if not rows.any():
        return None
    for word in view.text.split():
        rows &= _mentions(block, word)
    asked, held = questions(view), np.zeros(len(block), np.uint8)
    for question in asked:
        held += question.holds(block)
        if view.flag("unknown"):
            held += question.unknown(block)
    fulfilled = rows & (held == len(asked)) if asked else rows
    if not view.categories:
        return Chosen(block, fulfilled, fulfilled, rows, held)
    wanted = np.isin(block.categories, view.categories)[block.arrays["category"]]
    return Chosen(block, fulfilled & wanted, fulfilled, rows & wanted, held)


def _of_status(block: Block, status: Status, moment: Moment) -> Array | None:
    """A mask of its own of the deals of a status; ``None`` when there is clearly none."""
    is_open, seen, since = block.arrays["is_open"], block.arrays["last_seen_at"], to_number(moment.live_since)
    match status:
        case Status.LIVE:
            return is_open & (seen >= since) if block.last_seen_open >= since else None
        case Status.STALE:
            return is_open & (seen < since)
        case Status.OPEN:
            return is_open.copy()
        case Status.ENDED:
            return block.arrays["is_here"] & ~is_open
    return block.arrays["is_here"].copy()


def _plain(block: Block, view: View, moment: Moment) -> Iterator[Array]:
    """The filters that every deal can answer, but for the words."""

    def ago(**time: int) -> int:
        return to_number(moment.now - timedelta(**time))

    if view.domain:
        yield block.arrays["domain_id"] == view.domain
    if view.found_within:
        yield block.arrays["deal_created_at"] >= ago(hours=view.found_within)
    if view.seen_within:
        yield block.arrays["last_seen_at"] >= ago(minutes=view.seen_within)
    if view.flag("back_in_stock"):
        yield block.arrays["is_open"]
        yield block.arrays["was_out_of_stock"]


def _mentions(block: Block, word: str) -> Array:
    rows = block.words.find(word)
    try:
        places = np.array([place_of(domain, word.upper()) for domain in range(1, 13)], np.int64)
    except ValueError:  # no ASIN
        return rows
    rows[block.rows_at(places)[0]] = True
    return rows


@dataclass(frozen=True, slots=True)
class _Bound:
    """A bound on a number. Unknown is the least of all numbers, and no bound is as low."""

    name: str
    column: str
    value: int
    lower: bool

    def holds(self, block: Block) -> Any:
        values = block.arrays[self.column]
        if self.lower:
            return values >= max(self.value, NULL + 1)
        return (values <= max(self.value, NULL)) & (values != NULL)

    def unknown(self, block: Block) -> Any:
        return block.arrays[self.column] == NULL


@dataclass(frozen=True, slots=True)
class _Answer:
    """A question that is answered by yes, no, or not at all."""

    name: str
    column: str

    def holds(self, block: Block) -> Any:
        return block.arrays[self.column] == 1

    def unknown(self, block: Block) -> Any:
        return block.arrays[self.column] == UNKNOWN


@dataclass(frozen=True, slots=True)
class _Amazon:
    """Amazon's own offer, as the product page says; until it has been read, as the deal feed says."""

    wanted: bool
    name: str = "amazon"

    def holds(self, block: Block) -> Any:
        answers = block.arrays["amazon_in_stock"]
        if not self.wanted:
            return answers == 0
        offered = (answers == UNKNOWN) & (block.arrays["amazon_price"] != NULL)
        return (answers == 1) | offered

    def unknown(self, block: Block) -> Any:
        return (block.arrays["amazon_in_stock"] == UNKNOWN) & (block.arrays["amazon_price"] == NULL)


Question = _Bound | _Answer | _Amazon


def questions(view: View) -> list[Question]:
    """The active filters on values that may be unknown."""
    asked: list[Question] = []
    for name, value in view.bounds.items():
        bound: Range = RANGES[name]
        asked.append(_Bound(name, name_of(bound.over(view.interval)), value, bound.lower))
    if lowest := view.flag("lowest"):
        asked.append(_Answer("lowest", "is_lowest" if lowest == "ever" else "is_lowest_90"))
    if amazon := view.flag("amazon"):
        asked.append(_Amazon(amazon == "yes"))
    return asked


# -- counts --------------------------------------------------------------------------------------
def count(look: Look, view: View, moment: Moment) -> int:
    return sum(int(np.count_nonzero(part.rows)) for part in look.chosen(view, moment))


def count_hidden(look: Look, view: View, moment: Moment) -> dict[str, int]:
    """How many deals each filter alone hides for being unknown, by its name, without the zeros."""
    asked = questions(view)
    found: Counter[str] = Counter()
    for part in look.chosen(view, moment):
        unknown = [question.unknown(part.block) for question in asked]
        times = np.zeros(len(part.block), np.uint8)
        for mask in unknown:
            times += mask
        hidden = part.but_questions & (part.held == len(asked) - 1) & (times == 1)
        for question, mask in zip(asked, unknown, strict=True):
            found[question.name] += int(np.count_nonzero(hidden & mask))
    return {question.name: found[question.name] for question in asked if found[question.name]}


def count_categories(look: Look, view: View, moment: Moment) -> list[tuple[int | None, str | None, int]]:
    """Number, name and count of each root category that the view's other filters leave."""
    found: Counter[int] = Counter()
    for part in look.chosen(view, moment):
        numbers = part.block.arrays["category"]
        counts = np.bincount(numbers[part.but_categories], minlength=part.block.categories.size)
        found.update(dict(zip(part.block.categories.tolist(), counts.tolist(), strict=True)))
    return [(number, look.categories.get(number), total) for number, total in found.items() if total]
