"""What a look at the running service found, as frozen dataclasses; times are aware UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keepa_deals.call_log import Answers, LastAnswer
from keepa_deals.db.soundness import Unreadable
from keepa_deals.health.parts.host import HostHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.probing import Reading
from keepa_deals.jobs import FEEDING_JOBS, UPSERT_JOB, lock_of

ARRIVALS = ("found", "returned", "live_again")
"""The changes of state that bring a deal to the live list; all others take it off."""
REPORTED_JOBS = tuple(job.name for job in FEEDING_JOBS)

PARTS = (
    "redis",
    "tokens",
    "keepa",
    "locks",
    "queues",
    "beat",
    "database",
    "jobs",
    "deals",
    "flow",
    "history",
    "host",
)
"""What a report reads, by name."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """What ``INFO`` says; memory in bytes, ``max_memory`` 0 for no limit."""

    version: str
    role: str
    uptime_seconds: int
    used_memory: int
    max_memory: int
    policy: str
    loading: bool
    aof_enabled: bool
    aof_ok: bool
    last_save_ok: bool
    last_save_at: datetime | None
    evicted_keys: int
    clients: int
    clock: datetime
    """Redis's own clock: the token bucket runs on it."""


@dataclass(frozen=True, slots=True)
class LockHealth:
    """A single-flight lock: ``owner`` is ``None`` when it is free."""

    name: str
    owner: str | None = None
    host: str | None = None
    pid: int | None = None
    ttl_seconds: float | None = None
    """Seconds until it would expire; ``None`` with an owner means: never."""
    dead: bool = False
    """Whether the holder was a process that would be seen from here, and is gone for sure."""


@dataclass(frozen=True, slots=True)
class QueueHealth:
    name: str
    depth: int
    oldest_sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobHealth:
    """The memory of one job (``job_states``); ``rows`` and ``tokens_spent`` count from its first run."""

    name: str
    last_started_at: datetime | None
    last_success_at: datetime | None
    last_finished_at: datetime | None
    last_outcome: str | None
    last_error: str | None
    watermark: datetime | None
    cursor: Mapping[str, Any] | None
    paused: bool
    rows: int
    tokens_spent: int

    @property
    def running(self) -> bool:
        """Whether the last start has not finished (a killed run looks the same)."""
        if self.last_started_at is None:
            return False
        return self.last_finished_at is None or self.last_finished_at < self.last_started_at


@dataclass(frozen=True, slots=True)
class DealsHealth:
    """How many deals are live, stale and ended, and what becomes stale when nobody looks."""

    live: int
    stale: int
    ended: int
    ages: tuple[tuple[timedelta, int], ...]
    """Live deals by time since last seen: (upper edge, how many between the edge before and it)."""

    def stale_within(self, horizon: timedelta) -> int:
        """Live deals that turn stale within ``horizon`` unless they are seen again (by whole edges)."""
        if not self.ages:
            return 0
        fresh_for = self.ages[-1][0]
        edges = [timedelta(0), *(edge for edge, _ in self.ages)]
        return sum(n for i, (_, n) in enumerate(self.ages) if edges[i] >= fresh_for - horizon)


@dataclass(frozen=True, slots=True)
class FlowHealth:
    """Changes of state: (kind, reason or ``None``) → how many deals. The balance is that of the last hour."""

    last_hour: Mapping[tuple[str, str | None], int]
    arrivals: int
    departures: int
    hours: tuple[Mapping[tuple[str, str | None], int], ...] = ()
    """The same for each of the last hours, the last one first."""


@dataclass(frozen=True, slots=True)
class Point:
    """One minute of the curve of live deals."""

    at: datetime
    live: int
    stale: int
    ended: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a success of the upserter that was too long, and is over."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Runs of a job that failed with the same words."""

    job: str
    text: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryHealth:
    """What the jobs recorded of the last hour."""

    first_run_at: datetime | None
    """The oldest run that is still recorded."""
    last_sample_at: datetime | None
    curve: tuple[Point, ...]
    gaps: tuple[Gap, ...]
    failures: tuple[RunFailure, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many deals will be live: when nobody looks any more, and when the last hour goes on."""

    unattended: tuple[tuple[timedelta, int], ...]
    expected: tuple[tuple[int, int], ...]
    """(hours from now, live deals); empty before there is a whole hour to go by."""


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    dialect: str
    revision: str | None
    """The migration that the tables are at; ``None`` when they were never made."""
    expected_revision: str | None
    size_bytes: int | None

    @property
    def migrated(self) -> bool:
        return self.revision is not None and self.revision == self.expected_revision


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong; ``name`` is also that of the diagnosis rule and of the runbook's entry."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """One look at everything; each part is a value or the reason why there is none."""

    taken_at: datetime
    redis: Reading[RedisHealth]
    tokens: Reading[TokenHealth]
    locks: Reading[tuple[LockHealth, ...]]
    queues: Reading[tuple[QueueHealth, ...]]
    beat: Reading[datetime | None]
    database: Reading[DatabaseHealth]
    jobs: Reading[tuple[JobHealth, ...]]
    deals: Reading[DealsHealth]
    flow: Reading[FlowHealth]
    keepa: Reading[Answers]
    history: Reading[HistoryHealth]
    host: Reading[HostHealth]
    forecast: Forecast | None = None
    """``None`` when the deals could not be read."""
    unreadable: Unreadable | None = None
    """The deals that the dashboard leaves out; ``None`` where nobody has looked."""
    problems: tuple[Problem, ...] = ()
    behind_after: timedelta = timedelta(minutes=10)
    """The upserter is behind when its last success is longer ago than this."""

    def job(self, name: str) -> JobHealth | None:
        """The memory of the job called ``name``; ``None`` when it never ran or could not be read."""
        return next((job for job in self.jobs.value or () if job.name == name), None)

    def lock(self, job: str) -> LockHealth | None:
        """The lock of the job called ``job``; ``None`` when it could not be read."""
        return next((lock for lock in self.locks.value or () if lock.name == lock_of(job)), None)

    def readings(self) -> dict[str, Reading[Any]]:
        """Every part by its name."""
        return {name: getattr(self, name) for name in PARTS}

    def to_status(self) -> Json:
        """The JSON of ``/api/status``: what could not be read is ``null``, and ``errors`` says why."""
        return {
            "deals": _deals_json(self.deals.value),
            "unreadable": _unreadable_json(self.unreadable),
            "tokens": _tokens_json(self.tokens.value),
            "jobs": {name: self._job_json(name) for name in self._job_names()},
            "beat": {"last_tick_at": iso(self.beat.value)},
            "queues": {q.name: _queue_json(q) for q in self.queues.value or ()},
            "flow": _flow_json(self.flow.value),
            "plan": self.plan(),
            "keepa": _keepa_json(self.keepa.value),
            "forecast": _forecast_json(self.forecast),
            "problems": [{"name": p.name, "text": p.text} for p in self.problems],
            "errors": {name: r.error for name, r in self.readings().items() if r.error is not None},
            "taken_at": iso(self.taken_at),
        }

    def plan(self) -> Json:
        """What a freshness window is spent on (``ingest.upsert.budget.Plan``); ``None`` is not known yet.

        ``matching`` deals fit the selection, the newest ``kept`` are kept fresh, ``limit`` says why not all:
        ``plan`` (``needed`` tokens a window, ``supply`` come) or ``keepa`` (it shows 10,000 of a query).
        """
        job = self.job(UPSERT_JOB.name)
        found = ((job.cursor if job else None) or {}).get("plan")
        found = found if isinstance(found, Mapping) else {}
        return {name: found.get(name) for name in ("matching", "kept", "needed", "supply", "limit")}

    def _job_names(self) -> Iterable[str]:
        others = {job.name for job in self.jobs.value or ()} - set(REPORTED_JOBS)
        return (*REPORTED_JOBS, *sorted(others))

    def _job_json(self, name: str) -> Json:
        job, lock = self.job(name), self.lock(name)
        return {
            "last_started_at": iso(job.last_started_at) if job else None,
            "last_success_at": iso(job.last_success_at) if job else None,
            "last_finished_at": iso(job.last_finished_at) if job else None,
            "last_outcome": job.last_outcome if job else None,
            "last_error": job.last_error if job else None,
            "lock_holder": lock.owner if lock else None,
            "lock_ttl_seconds": lock.ttl_seconds if lock else None,
            "rows": job.rows if job else None if self.jobs.error else 0,
            "tokens_spent": job.tokens_spent if job else None if self.jobs.error else 0,
            "watermark": iso(job.watermark) if job else None,
            "paused": job.paused if job else None if self.jobs.error else False,
        }


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as every endpoint writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def _deals_json(deals: DealsHealth | None) -> Json:
    if deals is None:
        return {"live": None, "stale": None, "ended": None, "ages": []}
    ages = [{"up_to_seconds": int(edge.total_seconds()), "deals": n} for edge, n in deals.ages]
    return {"live": deals.live, "stale": deals.stale, "ended": deals.ended, "ages": ages}


def _unreadable_json(found: Unreadable | None) -> Json | None:
    return None if found is None else {"deals": found.count, "examples": list(found.examples)}


def _tokens_json(tokens: TokenHealth | None) -> Json:
    if tokens is None:
        return {"available": None, "refill_rate": None, "capacity": None, "as_of": None}
    return tokens.to_json()


def _queue_json(queue: QueueHealth) -> Json:
    return {"depth": queue.depth, "oldest_sent_at": iso(queue.oldest_sent_at)}


def _flow_json(flow: FlowHealth | None) -> Json:
    if flow is None:
        return {"arrivals_last_hour": None, "departures_last_hour": None, "last_hour": [], "hours": []}
    return {
        "arrivals_last_hour": flow.arrivals,
        "departures_last_hour": flow.departures,
        "last_hour": _changes_json(flow.last_hour),
        "hours": [_changes_json(changes) for changes in flow.hours],
    }


def _changes_json(changes: Mapping[tuple[str, str | None], int]) -> list[Json]:
    return [{"kind": k, "reason": r, "deals": n} for (k, r), n in sorted(changes.items(), key=str)]


def _keepa_json(answers: Answers | None) -> Json:
    """The last answers of Keepa by call, and how many of each kind the last hour brought."""
    if answers is None:
        return {"last": {}, "last_bad": {}, "last_hour": []}
    counts = sorted(answers.counts.items())
    return {
        "last": {call: _answer_json(answer) for call, answer in answers.last.items()},
        "last_bad": {call: _answer_json(answer) for call, answer in answers.last_bad.items()},
        "last_hour": [{"call": call, "result": result, "answers": n} for (call, result), n in counts],
    }


def _answer_json(answer: LastAnswer) -> Json:
    return {
        "result": answer.result,
        "at": iso(answer.at),
        "seconds": answer.seconds,
        "tokens": answer.tokens,
    }


def _forecast_json(forecast: Forecast | None) -> Json:
    if forecast is None:
        return {"unattended": [], "expected": []}
    return {
        "unattended": [
            {"in_seconds": int(wait.total_seconds()), "live": n} for wait, n in forecast.unattended
        ],
        "expected": [{"in_seconds": hours * 3600, "live": n} for hours, n in forecast.expected],
    }
