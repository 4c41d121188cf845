"""Whether the service is ready (``/readyz``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keepa_deals.health.problems import Problem
from keepa_deals.health.report import HealthReport

_DECISIVE = ("redis_down", "database_unavailable", "database_not_migrated", "upserter_behind")
"""What beat or a queue does shows in the upserter's last success."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work: database, Redis, and an upserter that is not behind."""

    problems: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {"ready": self.ready, "problems": [{"name": p.name, "text": p.text} for p in self.problems]}


def readiness(report: HealthReport) -> Readiness:
    """The answer of ``/readyz``."""
    return Readiness(tuple(problem for problem in report.problems if problem.name in _DECISIVE))
