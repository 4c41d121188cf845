"""What the health page tells of the past: the curve of live deals, and the latest runs of each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from keepa_deals.db import soundness
from keepa_deals.db.models import JobRun, Sample
from keepa_deals.humanize import duration_text
from keepa_deals.web.status.rows import RunRow, SampleRow

T = TypeVar("T")

SPANS = {1: "1 h", 6: "6 h", 24: "24 h", 168: "7 d"}
"""The windows that a reader can choose, in hours."""
DEFAULT_SPAN = 6
MAX_POINTS = 360
MAX_ROWS = 30
"""Rows of the table beside the curve: enough to read the shape without the picture."""
RUNS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """The samples of a window, thinned evenly to ``MAX_POINTS``, oldest first."""

    hours: int
    samples: Sequence[SampleRow]

    def series(self) -> list[list[int]]:
        """Unix seconds, live, stale, ended: what the chart draws."""
        moments = [int(sample.at.timestamp()) for sample in self.samples]
        counts = [[getattr(sample, name) for sample in self.samples] for name in ("live", "stale", "ended")]
        return [moments, *counts]

    def tokens(self) -> list[list[int | None]]:
        """Unix seconds, tokens, the longest wait of each lane in milliseconds; ``None`` where nobody knew."""
        moments = [int(sample.at.timestamp()) for sample in self.samples]
        names = ("tokens", "small_wait_ms", "bulk_wait_ms")
        return [[*moments], *([getattr(sample, name) for sample in self.samples] for name in names)]

    def rows(self) -> list[SampleRow]:
        """A few samples for the table, newest first; the newest is always among them."""
        return thinned(self.samples, MAX_ROWS)[::-1]

    def words(self) -> str:
        """What the curve shows, in a sentence."""
        if len(self.samples) < 2:
            return "The first samples are being taken: one a minute."
        first, last = self.samples[0], self.samples[-1]
        low = min(self.samples, key=lambda sample: (sample.live, sample.at))
        span = duration_text((last.at - first.at).total_seconds())
        return (
            f"{last.live:,} live now, {first.live:,} at the start of the {span} shown; "
            f"the fewest were {low.live:,} at {low.at:%H:%M} UTC. "
            f"{last.stale:,} {'is' if last.stale == 1 else 'are'} stale."
        )


def read_curve(connection: Connection, hours: int, now: datetime) -> Curve:
    """The samples of the last ``hours``."""
    table = Sample.__table__.c
    columns = (table[name] for name in SampleRow._fields)
    query = (
        select(*columns).where(table.at > now - timedelta(hours=hours), table.at <= now).order_by(table.at)
    )
    sound = [SampleRow(*row) for row in connection.execute(query) if _is_sample(row)]
    return Curve(hours, thinned(sound, MAX_POINTS))


def _is_sample(row: Sequence[Any]) -> bool:
    """Whether a sample can be read: a damaged one is left out of the curve."""
    at, live, stale, ended, *others = row
    numbers = [live, stale, ended, *(number for number in others if number is not None)]
    return soundness.is_moment(at) and all(type(number) is int for number in numbers)


def thinned(rows: Sequence[T], limit: int) -> list[T]:
    """Every n-th of ``rows``, counted from the last, so that at most ``limit`` remain, the last too."""
    step = max(1, -(-len(rows) // limit))
    return list(rows[::-1][::step][::-1])


def read_runs(connection: Connection) -> Sequence[RunRow]:
    """The latest runs that did something, newest first."""
    table = JobRun.__table__.c
    query = select(*(table[name] for name in RunRow._fields)).order_by(table.id.desc()).limit(RUNS_SHOWN)
    runs = (RunRow(*row) for row in connection.execute(query))
    return [run for run in runs if type(run.rows) is type(run.tokens_spent) is int]
