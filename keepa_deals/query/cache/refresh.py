"""The blocks of one column cache, and how far it has followed the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, and_, func, or_, select

from keepa_deals.db.models import Deal, DealEvent, SearchRow
from keepa_deals.db.soundness import FIRST_MOMENT, is_key
from keepa_deals.deals.freshness import CLOCK_OVERLAP
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.query.cache.block import MAX_ROWS, Block, built, updated
from keepa_deals.query.cache.columns import (
    DEALS,
    Batch,
    joined,
    places_of,
    selected,
    sound_batch,
)
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.database import select_newest_event
from keepa_deals.query.encoding import Array, to_moment, to_number
from keepa_deals.query.left_out import LeftOut

SETTLED = timedelta(days=1)
"""A deal that nothing happened to for so long can be missing only because it was deleted."""

_RECENT = CLOCK_OVERLAP * 2
"""Later ones wait for the next load."""
_E = DealEvent.__table__.c


class Refresher:
    """The blocks, and what of the database is in them."""

    def __init__(self, dialect: str, now: datetime, left_out: LeftOut) -> None:
        self._dialect = dialect
        self._left_out = left_out
        self._now = to_number(now)
        self._blocks: list[Block] = []
        self._categories: dict[int, str] = {}
        self._seen: int | None = None
        self._changed: int | None = None
        self._event_id = 0
        self._newest_event: datetime | None = None
        self._has_refreshed = False
        self._searches: dict[int, int] = {}
        self._waiting: list[Batch] = []
        """Rows of the first load that are too few for a block."""
        self._out_of_stock: set[int] = set()
        """Deals that had ended for being out of stock."""
        self._versions: dict[int, tuple[int, int]] = {}
        """What was copied of rows touched within the overlap, by place: they come again and again."""

    def snapshot(self, *, is_whole: bool) -> CacheSnapshot:
        return CacheSnapshot(
            tuple(self._blocks), self._categories, is_whole, self._newest_event, self._searches
        )

    # -- everything ----------------------------------------------------------------------------
    def add(self, rows: Sequence[Any]) -> None:
        """Take up rows of the first load. What was already followed is newer than they are."""
        batch = self._batch(rows)
        if batch is None:
            return
        self._waiting.append(batch)
        self._advance(batch)
        if sum(map(len, self._waiting)) >= MAX_ROWS:
            self.build()

    def build(self) -> None:
        """Make blocks of what was taken up."""
        if not self._waiting:
            return
        batch, self._waiting = joined(self._waiting), []
        if self._has_refreshed:
            batch = batch.take(np.argsort(batch.places))
            new = np.ones(len(batch), bool)
            for block in self._blocks:
                new[block.rows_at(batch.places)[1]] = False
            batch = batch.take(np.flatnonzero(new))
        self._blocks += built(batch)

    def read_events(self, connection: Connection) -> Array:
        """Events by which the dashboard filters, and searches; the places of the deals of the new events.

        Before the rows: what is noted as known of the events must be in the rows.
        """
        self._newest_event = connection.scalar(select_newest_event(to_moment(self._now)))
        searches = connection.execute(select(SearchRow.id, SearchRow.domain_id)).all()
        self._searches = {number: domain for number, domain in searches}  # noqa: C416  # typed rows
        query = select(_E.domain_id, _E.asin, _E.id).where(
            _E.kind == DealEventKind.ENDED,
            _E.reason == EndedReason.OUT_OF_STOCK,
            _E.id > self._event_id,
        )
        rows = connection.execute(query).all()
        if not rows:
            return np.zeros(0, np.int64)
        self._event_id = max(number for _, _, number in rows)
        keys = [(domain, asin) for domain, asin, _ in rows if is_key(domain, asin)]
        if not keys:
            return np.zeros(0, np.int64)
        domains, asins = zip(*keys, strict=True)
        places = np.unique(places_of(domains, asins))
        self._out_of_stock.update(places.tolist())
        return places

    # -- what changed --------------------------------------------------------------------------
    def refresh(self, connection: Connection, now: datetime) -> None:
        """Take up what happened since."""
        self._has_refreshed, self._now = True, to_number(now)
        self._forget_deleted(connection, now)
        returned = self.read_events(connection)
        rows = connection.execute(self._touched()).all()
        if rows and (batch := self._batch(rows)) is not None:
            batch = batch.take(np.flatnonzero([not self._is_known(*key) for key in _versions(batch)]))
            self._blocks = updated(self._blocks, batch)
            self._advance(batch)
        if returned.size:
            self._blocks = [b.flagged("was_out_of_stock", b.rows_at(returned)[0]) for b in self._blocks]
        self._leave_out()
        self._forget_old()

    def _leave_out(self) -> None:
        """Take out the deals whose rows somebody could not read by a column that is not cached."""
        keys = [key for key in self._left_out.noted() if is_key(*key)]
        if keys:
            places = places_of(*zip(*keys, strict=True))
            self._blocks = [block.without(block.rows_at(places)[0]) for block in self._blocks]

    def _forget_deleted(self, connection: Connection, now: datetime) -> None:
        """Take out what the janitor deleted: what is older than the oldest that the table has.

        Asked first: a row that is touched in between only gets younger.
        """
        settled = to_number(now - SETTLED)
        for is_open, name in ((True, "last_seen_at"), (False, "ended_at")):
            column, ended = DEALS.c[name], DEALS.c.ended_at
            chosen = ended.is_(None) if is_open else ended.is_not(None)
            known = select(func.min(column)).where(chosen, column >= FIRST_MOMENT)
            oldest: datetime | None = connection.scalar(known)
            limit = min(settled, to_number(oldest)) if oldest is not None else settled
            self._blocks = [_without_older(block, name, limit, is_open) for block in self._blocks]

    def _touched(self) -> Select[Any]:
        """The rows that may have changed since the cache was last refreshed; all of them when it is empty."""
        query: Select[Any] = select(*selected(self._dialect))
        if self._seen is None or self._changed is None:
            return query
        return query.where(
            or_(
                and_(Deal.ended_at.is_(None), Deal.last_seen_at >= to_moment(self._seen) - CLOCK_OVERLAP),
                Deal.changed_at >= to_moment(self._changed) - CLOCK_OVERLAP,
            )
        )

    # -- how far -------------------------------------------------------------------------------
    def _batch(self, rows: Sequence[Any]) -> Batch | None:
        """The rows that can be read; ``None`` when there is none of them."""
        batch, unsound = sound_batch(rows)
        if unsound:
            self._left_out.note(unsound)
        if batch is None:
            return None
        flags = np.array([place in self._out_of_stock for place in batch.places.tolist()], bool)
        return replace(batch, arrays={**batch.arrays, "was_out_of_stock": flags})

    def _is_known(self, place: int, seen: int, changed: int) -> bool:
        return self._versions.get(place) == (seen, changed)

    def _advance(self, batch: Batch) -> None:
        """Note how far these rows lead."""
        if not len(batch):
            return
        seen, changed = batch.arrays["last_seen_at"], batch.arrays["changed_at"]
        self._seen, self._changed = self._led_by(self._seen, seen), self._led_by(self._changed, changed)
        recent = (seen >= self._seen - _in_numbers(_RECENT)) | (
            changed >= self._changed - _in_numbers(_RECENT)
        )
        self._versions.update(
            (place, (s, c)) for place, s, c in _versions(batch.take(np.flatnonzero(recent)))
        )
        numbers = batch.arrays["root_category"].tolist()
        self._categories.update(
            (n, row[2]) for n, row in zip(numbers, batch.texts, strict=True) if n and row[2]
        )

    def _led_by(self, known: int | None, moments: Array) -> int:
        """How far these moments lead: not beyond now, whatever a clock that was ahead has written."""
        return min(max(known or 0, int(moments.max())), self._now)

    def _forget_old(self) -> None:
        if self._seen is None or self._changed is None:
            return
        seen, changed = self._seen - _in_numbers(_RECENT), self._changed - _in_numbers(_RECENT)
        self._versions = {k: v for k, v in self._versions.items() if v[0] >= seen or v[1] >= changed}


def _versions(batch: Batch) -> list[tuple[int, int, int]]:
    """Place, when seen and when changed of each row."""
    columns = (batch.places, batch.arrays["last_seen_at"], batch.arrays["changed_at"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _in_numbers(time: timedelta) -> int:
    return time // timedelta(microseconds=1)


def _without_older(block: Block, name: str, limit: int, is_open: bool) -> Block:
    limits = block.limits(name)
    if limits is None or limits[0] >= limit:
        return block
    old = (block.arrays[name] < limit) & (block.arrays["is_open"] == is_open) & block.arrays["is_here"]
    return block.without(np.flatnonzero(old))
