"""When a message may leave: quiet hours in a person's time zone, and the moments of a digest. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

MAX_MINUTES = 24 * 60
MIN_MINUTES = 5
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


class RuleError(ValueError):
    """A part of an alert that is not understood: its ``field``, and what it may be."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of the day to another nothing is sent; both in ``zone``, perhaps across midnight."""

    start: time
    end: time
    zone: str = "UTC"

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> QuietHours:
        start, end = (_clock(given.get(name), f"quiet.{name}") for name in ("from", "to"))
        if start == end:
            raise RuleError("quiet.to", "another time than quiet.from")
        return cls(start, end, _zone(given.get("zone"), "quiet.zone"))

    def to_json(self) -> dict[str, str]:
        return {"from": f"{self.start:%H:%M}", "to": f"{self.end:%H:%M}", "zone": self.zone}

    def holds(self, at: datetime) -> bool:
        local = at.astimezone(zone_of(self.zone)).time()
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def over_at(self, at: datetime) -> datetime:
        """The first moment from ``at`` on at which it is not quiet."""
        return _next(at, self.end, self.zone) if self.holds(at) else at


@dataclass(frozen=True, slots=True)
class Digest:
    """Deals gathered into one message: every so many minutes, or once a day at an hour of ``zone``."""

    every_minutes: int | None = None
    at: time | None = None
    zone: str = "UTC"

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Digest:
        every, at = given.get("every_minutes"), given.get("at")
        if (every is None) == (at is None):
            raise RuleError("digest", "either every_minutes or at")
        if at is not None:
            return cls(None, _clock(at, "digest.at"), _zone(given.get("zone"), "digest.zone"))
        if isinstance(every, bool) or not isinstance(every, int) or not MIN_MINUTES <= every <= MAX_MINUTES:
            raise RuleError("digest.every_minutes", f"a whole number from {MIN_MINUTES} to {MAX_MINUTES}")
        return cls(every)

    def to_json(self) -> dict[str, Any]:
        if self.at is not None:
            return {"at": f"{self.at:%H:%M}", "zone": self.zone}
        return {"every_minutes": self.every_minutes}

    def due_at(self, now: datetime) -> datetime:
        """When what is found now is told; intervals count from the deal that begins a digest."""
        if self.at is not None:
            return _next(now, self.at, self.zone)
        return now + timedelta(minutes=self.every_minutes or MIN_MINUTES)


def due_at(digest: Digest | None, quiet: QuietHours | None, now: datetime) -> datetime:
    """When a message that was caused now may leave."""
    due = now if digest is None else digest.due_at(now)
    return due if quiet is None else quiet.over_at(due)


def _next(now: datetime, clock: time, zone: str) -> datetime:
    """The next moment after ``now`` at which a clock in ``zone`` shows that time.

    A time that a change to summer time leaves out comes as much later; of one that comes twice, the first.
    """
    local = now.astimezone(zone_of(zone))
    for days in range(3):
        there = datetime.combine(local.date() + timedelta(days=days), clock, zone_of(zone))
        if (moment := there.astimezone(UTC)) > now:
            return moment
    raise AssertionError("a day has every time of the clock")


def _clock(value: object, name: str) -> time:
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise RuleError(name, "a time of the day as 07:30")
    return time(int(match[1]), int(match[2]))


def _zone(value: object, name: str) -> str:
    if value is None:
        return "UTC"
    if isinstance(value, str) and len(value) < 64 and _ZONE.fullmatch(value):
        try:
            zone_of(value)
        except (KeyError, OSError, ValueError):
            pass
        else:
            return value
    raise RuleError(name, "a time zone as Europe/Berlin")


@cache
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)
