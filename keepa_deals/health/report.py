"""One look at the running service: what all parts read, with names for those that people ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keepa_deals.call_log import Answers
from keepa_deals.health import forecast as forecasts
from keepa_deals.health.forecast import Forecast
from keepa_deals.health.part import Json, Snapshot
from keepa_deals.health.parts import (
    PARTS,
    READ,
    beat,
    database,
    deals,
    flow,
    history,
    host,
    jobs,
    keepa,
    locks,
    queues,
    redis,
    searches,
    tokens,
)
from keepa_deals.health.parts.database import DatabaseHealth
from keepa_deals.health.parts.deals import DealsHealth
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.history import HistoryHealth
from keepa_deals.health.parts.host import HostHealth
from keepa_deals.health.parts.jobs import JobHealth
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.parts.queues import QueueHealth
from keepa_deals.health.parts.redis import RedisHealth
from keepa_deals.health.parts.searches import SearchHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import Problem
from keepa_deals.humanize import iso


@dataclass(frozen=True, kw_only=True)
class HealthReport(Snapshot):
    """One look at everything, and what is wrong by it."""

    forecast: Forecast | None = None
    """``None`` when the deals could not be read."""
    problems: tuple[Problem, ...] = ()

    @property
    def redis(self) -> Reading[RedisHealth]:
        return self.reading(redis.PART)

    @property
    def tokens(self) -> Reading[TokenHealth]:
        return self.reading(tokens.PART)

    @property
    def keepa(self) -> Reading[Answers]:
        return self.reading(keepa.PART)

    @property
    def locks(self) -> Reading[tuple[LockHealth, ...]]:
        return self.reading(locks.PART)

    @property
    def queues(self) -> Reading[tuple[QueueHealth, ...]]:
        return self.reading(queues.PART)

    @property
    def beat(self) -> Reading[datetime | None]:
        return self.reading(beat.PART)

    @property
    def database(self) -> Reading[DatabaseHealth]:
        return self.reading(database.PART)

    @property
    def jobs(self) -> Reading[tuple[JobHealth, ...]]:
        return self.reading(jobs.PART)

    @property
    def deals(self) -> Reading[DealsHealth]:
        return self.reading(deals.PART)

    @property
    def searches(self) -> tuple[SearchHealth, ...]:
        """The searches; none where they could not be read."""
        return searches.searches_in(self)

    @property
    def flow(self) -> Reading[FlowHealth]:
        return self.reading(flow.PART)

    @property
    def history(self) -> Reading[HistoryHealth]:
        return self.reading(history.PART)

    @property
    def host(self) -> Reading[HostHealth]:
        return self.reading(host.PART)

    def job(self, name: str) -> JobHealth | None:
        """The memory of the job called ``name``; ``None`` when it never ran or could not be read."""
        return jobs.job_in(self, name)

    def lock(self, job: str) -> LockHealth | None:
        """The lock of the job called ``job``; ``None`` when it could not be read."""
        return locks.lock_in(self, job)

    def errors(self) -> dict[str, str]:
        """Why a part could not be read, by its name."""
        readings = {part.name: self.reading(part) for part in READ}
        return {name: reading.error for name, reading in readings.items() if reading.error is not None}

    def to_status(self) -> Json:
        """The JSON of ``/api/status``: what could not be read is ``null``, and ``errors`` says why."""
        status: Json = {}
        for part in PARTS:
            status |= part.to_json(self)
        return {
            **status,
            "forecast": forecasts.to_json(self.forecast),
            "problems": [{"name": p.name, "text": p.text} for p in self.problems],
            "errors": self.errors(),
            "taken_at": iso(self.taken_at),
        }
