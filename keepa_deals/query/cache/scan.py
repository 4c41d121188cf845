"""Questions, answered by the copy exactly as ``query.reader`` has the database answer them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.query.cache.block import Block
from keepa_deals.query.cache.columns import NULL, REASONS, UNKNOWN, Array, name_of, place_of, to_number
from keepa_deals.query.columns import RANGES, Range
from keepa_deals.query.view import Status, View

if TYPE_CHECKING:
    from keepa_deals.query.reader import Moment


Column = Callable[[str], Array]
SEVERAL = "several"
"""Stands for a filter's name where it takes more than one to hide a deal for being unknown."""
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
    but_questions: Array
    """Those that fulfil everything but the ``questions``."""
    held: Array
    """How many of the ``questions`` each of these fulfils."""

    def of_status(self, status: Status, moment: Moment) -> Chosen | None:
        """What is left of it by a status, too."""
        of_status = _of_status(self.block, status, moment)
        if of_status is None or not of_status.any():
            return None
        return Chosen(
            self.block,
            self.rows & of_status,
            self.but_categories & of_status,
            self.but_questions & of_status,
            self.held,
        )


@dataclass
class Look:
    """The copy at one moment, for one request; its answers to one view share the search."""

    blocks: Sequence[Block]
    categories: Mapping[int, str]
    """The names of the root categories."""
    is_whole: bool = True
    """Whether the ended deals are there, too."""
    newest_event: datetime | None = None
    """When the newest event happened that the copy knows: what comes later is not in it."""
    _known: dict[Status, tuple[View, Moment, list[Chosen]]] = field(default_factory=dict, init=False)

    @property
    def is_sound(self) -> bool:
        """Whether every block has all its columns, and they are as long as it is."""
        return all(block.is_sound for block in self.blocks)

    def can_tell(self, view: View) -> bool:
        return self.is_whole or view.status in (Status.LIVE, Status.STALE, Status.OPEN)

    def chosen(self, view: View, moment: Moment) -> list[Chosen]:
        """What the view leaves of each block, without the blocks of which it leaves nothing."""
        if (found := self._found(view.status, view, moment)) is None:
            parts: Iterator[Chosen | None]
            if (every := self._found(Status.ALL, view, moment)) is not None:
                parts = (part.of_status(view.status, moment) for part in every)
            else:
                parts = (_choose(block, view, moment) for block in self.blocks)
            found = [part for part in parts if part is not None]
            self._known[view.status] = view, moment, found
        return found

    def _found(self, status: Status, view: View, moment: Moment) -> list[Chosen] | None:
        """What was found before of the view, but with that status."""
        known = self._known.get(status)
        if known is None or known[1] != moment or known[0] != replace(view, status=status):
            return None
        return known[2]


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
    asked = questions(view)
    held = _held(block, rows, asked, lenient=view.flag("unknown") is not None)
    fulfilled = rows & (held == len(asked)) if asked else rows
    if not view.categories:
        return Chosen(block, fulfilled, fulfilled, rows, held)
    wanted = np.isin(block.categories, view.categories)[block.arrays["category"]]
    return Chosen(block, fulfilled & wanted, fulfilled, rows & wanted, held)


def _held(block: Block, rows: Array, asked: Sequence[Question], *, lenient: bool) -> Array:
    """How many questions each of ``rows`` fulfils; ``lenient`` counts those that it can't answer, too."""
    at, column = _columns(block, rows)
    held = np.zeros(len(block) if at is None else at.size, np.uint8)
    for question in asked:
        held += question.holds(column)
        if lenient:
            held += question.unknown(column)
    if at is None:
        return held
    every = np.zeros(len(block), np.uint8)
    every[at] = held
    return every


def _columns(block: Block, rows: Array) -> tuple[Array | None, Column]:
    """The columns of a block; where ``rows`` are few, only those, with their numbers."""
    if np.count_nonzero(rows) * FEW > len(block):
        return None, block.arrays.__getitem__
    at = np.flatnonzero(rows)
    return at, lambda name: block.arrays[name][at]


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
        yield block.arrays["found_at"] >= ago(hours=view.found_within)
    if view.price_changed_within:
        yield block.arrays["deal_created_at"] >= ago(hours=view.price_changed_within)
    if view.seen_within:
        yield block.arrays["last_seen_at"] >= ago(minutes=view.seen_within)
    if reason := view.flag("ended_reason"):
        yield block.arrays["ended_reason"] == REASONS.index(reason)
    if view.flag("back_in_stock"):
        yield block.arrays["is_open"]
        yield block.arrays["was_out_of_stock"]


def _mentions(block: Block, word: str) -> Array:
    rows = block.words.find(word)
    try:
        places = np.array([place_of(domain, word.upper()) for domain in MARKETPLACES], np.int64)
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

    def holds(self, column: Column) -> Any:
        values = column(self.column)
        if self.lower:
            return values >= max(self.value, NULL + 1)
        return (values <= max(self.value, NULL)) & (values != NULL)

    def unknown(self, column: Column) -> Any:
        return column(self.column) == NULL


@dataclass(frozen=True, slots=True)
class _Answer:
    """A question that is answered by yes, no, or not at all."""

    name: str
    column: str

    def holds(self, column: Column) -> Any:
        return column(self.column) == 1

    def unknown(self, column: Column) -> Any:
        return column(self.column) == UNKNOWN


@dataclass(frozen=True, slots=True)
class _Amazon:
    """Amazon's own offer, as the product page says; until it has been read, as the deal feed says."""

    wanted: bool
    name: str = "amazon"

    def holds(self, column: Column) -> Any:
        answers = column("amazon_in_stock")
        if not self.wanted:
            return answers == 0
        offered = (answers == UNKNOWN) & (column("amazon_price") != NULL)
        return (answers == 1) | offered

    def unknown(self, column: Column) -> Any:
        return (column("amazon_in_stock") == UNKNOWN) & (column("amazon_price") == NULL)


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


def count_statuses(look: Look, view: View, moment: Moment) -> tuple[int, int, int]:
    """How many live, stale and ended deals the other filters of ``view`` leave, by one search for all."""
    since, found = to_number(moment.live_since), np.zeros(3, np.int64)
    for part in look.chosen(replace(view, status=Status.ALL), moment):
        is_open = part.rows & part.block.arrays["is_open"]
        live = is_open & (part.block.arrays["last_seen_at"] >= since)
        every, going, lively = (int(np.count_nonzero(mask)) for mask in (part.rows, is_open, live))
        found += (lively, going - lively, every - going)
    live_count, stale, ended = found.tolist()
    return live_count, stale, ended


def count_hidden(look: Look, view: View, moment: Moment) -> dict[str, int]:
    """How many deals are hidden only for being unknown: by each filter alone, and by ``SEVERAL`` together."""
    asked = questions(view)
    found: Counter[str] = Counter()
    for part in look.chosen(view, moment):
        failing = part.but_questions & (part.held < len(asked))
        at, column = _columns(part.block, failing)
        unknown = [question.unknown(column) for question in asked]
        times = np.zeros(len(part.block) if at is None else at.size, np.uint8)
        for mask in unknown:
            times += mask
        hidden = times + (part.held if at is None else part.held[at]) == len(asked)
        if at is None:
            hidden &= failing
        alone = hidden & (times == 1)
        for question, mask in zip(asked, unknown, strict=True):
            found[question.name] += int(np.count_nonzero(alone & mask))
        found[SEVERAL] += int(np.count_nonzero(hidden) - np.count_nonzero(alone))
    names = (*(question.name for question in asked), SEVERAL)
    return {name: found[name] for name in names if found[name]}


def count_categories(look: Look, view: View, moment: Moment) -> list[tuple[int | None, str | None, int]]:
    """Number, name and count of each root category that the view's other filters leave."""
    found: Counter[int] = Counter()
    for part in look.chosen(view, moment):
        known = part.block.categories
        numbers = part.block.arrays["category"][np.flatnonzero(part.but_categories)]
        counts = np.bincount(numbers, minlength=known.size)
        found.update(dict(zip(known.tolist(), counts.tolist(), strict=True)))
    return [(number, look.categories.get(number), total) for number, total in found.items() if total]
