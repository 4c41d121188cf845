"""What becomes of a deal: live, stale, ended, back again. Pure: observations in, state and changes out.

*Live*: seen within the freshness window. *Stale*: not verified in time, by our failing and nobody else's.
*Ended*: Keepa said so, with a reason. An observation counts by the moment at which it was made: one that
reaches the table after a later one changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from keepa_deals.clock import CLOCK_TOLERANCE as CLOCK_TOLERANCE
from keepa_deals.deals.kinds import DealEventKind, EndedReason


class Status(StrEnum):
    """The three states of a deal."""

    LIVE = "live"
    STALE = "stale"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Life:
    """The part of a deal that says when it was found, last seen, and whether it ended."""

    first_seen_at: datetime
    last_seen_at: datetime
    found_at: datetime
    """When it was first seen or came back: never before ``first_seen_at``."""
    stale_noted_at: datetime | None = None
    ended_at: datetime | None = None
    ended_reason: EndedReason | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state, and when it took place."""

    kind: DealEventKind
    at: datetime
    reason: EndedReason | None = None


class HasLife(Protocol):
    """A row that holds the columns of a life."""

    @property
    def first_seen_at(self) -> datetime: ...

    @property
    def last_seen_at(self) -> datetime: ...

    @property
    def found_at(self) -> datetime: ...

    @property
    def stale_noted_at(self) -> datetime | None: ...

    @property
    def ended_at(self) -> datetime | None: ...

    @property
    def ended_reason(self) -> EndedReason | None: ...


def life_of(row: HasLife) -> Life:
    """The life of a stored deal. The last version's workers do not write ``found_at``: this mends it."""
    return Life(
        row.first_seen_at,
        row.last_seen_at,
        max(row.found_at, row.first_seen_at),
        row.stale_noted_at,
        row.ended_at,
        row.ended_reason,
    )


def store(life: Life, row: HasLife) -> None:
    """Write the life into the columns of a stored deal."""
    for column in fields(life):
        setattr(row, column.name, getattr(life, column.name))


def status(life: Life, now: datetime, fresh_for: timedelta) -> Status:
    """The state of a deal at ``now``."""
    if life.ended_at is not None:
        return Status.ENDED
    return Status.LIVE if now - life.last_seen_at <= fresh_for else Status.STALE


def seen(
    life: Life | None, at: datetime, fresh_for: timedelta, *, was_present: bool = False
) -> tuple[Life, Sequence[Change]]:
    """The deal after Keepa said at ``at`` that it holds.

    ``was_present``: where it was never seen before, it is no news all the same.
    """
    if life is None:
        kind = DealEventKind.PRESENT if was_present else DealEventKind.FOUND
        return Life(first_seen_at=at, last_seen_at=at, found_at=at), (Change(kind, at),)
    if life.ended_at is not None:
        if at <= life.ended_at <= at + CLOCK_TOLERANCE:
            return life, ()
        return _back(life, at, fresh_for)
    aged, changes = mark_stale(life, at, fresh_for)
    clock_was_wrong = life.last_seen_at > at + CLOCK_TOLERANCE
    last_seen = at if clock_was_wrong else max(at, life.last_seen_at)
    if aged.stale_noted_at is not None:
        changes = (*changes, Change(DealEventKind.LIVE_AGAIN, at))
    return replace(aged, last_seen_at=last_seen, stale_noted_at=None), changes


def _back(life: Life, at: datetime, fresh_for: timedelta) -> tuple[Life, Sequence[Change]]:
    """An ended deal that Keepa lists again: news, unless it was there a moment ago."""
    assert life.ended_at is not None
    is_news = at - life.ended_at > fresh_for
    renewed = replace(
        life,
        last_seen_at=at,
        found_at=at if is_news else life.found_at,
        stale_noted_at=None,
        ended_at=None,
        ended_reason=None,
    )
    return renewed, (Change(DealEventKind.RETURNED if is_news else DealEventKind.LIVE_AGAIN, at),)


def confirmed(
    life: Life, at: datetime, seen_until: datetime, fresh_for: timedelta
) -> tuple[Life, Sequence[Change]]:
    """The deal after ``/product`` said at ``at`` that its price holds; that counts as a sight ``seen_until``.

    The feed knows conditions that ``/product`` does not show, so its word carries a deal only so far. An
    ended deal stays ended.
    """
    until = min(at, seen_until)
    if life.ended_at is not None or until < at - fresh_for or until <= life.last_seen_at <= at:
        return life, ()
    return seen(life, until, fresh_for)


def mark_stale(life: Life, now: datetime, fresh_for: timedelta) -> tuple[Life, Sequence[Change]]:
    """The deal after time passed: one that has gone stale since the last look is noted as such, once."""
    if life.stale_noted_at is not None or status(life, now, fresh_for) is not Status.STALE:
        return life, ()
    since = life.last_seen_at + fresh_for
    return replace(life, stale_noted_at=since), (Change(DealEventKind.STALE, since),)


def end(life: Life, reason: EndedReason, at: datetime, fresh_for: timedelta) -> tuple[Life, Sequence[Change]]:
    """The deal after Keepa said at ``at`` that it is over."""
    seen_later = at < life.last_seen_at <= at + CLOCK_TOLERANCE
    if life.ended_at is not None or seen_later:
        return life, ()
    aged, changes = mark_stale(life, at, fresh_for)
    ended = replace(aged, stale_noted_at=None, ended_at=at, ended_reason=reason)
    return ended, (*changes, Change(DealEventKind.ENDED, at, reason))
