"""What the look alone shows to be wrong, and what makes the service not ready."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keepa_deals.health.parts.database import DatabaseHealth
from keepa_deals.health.parts.queues import QueueHealth
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import find_problems
from keepa_deals.health.readiness import readiness
from keepa_deals.health.report import HealthReport
from tests.support.health_reports import ago, healthy, job, jobs


def names(report: HealthReport) -> list[str]:
    return [problem.name for problem in find_problems(report)]


def is_ready(report: HealthReport) -> bool:
    return readiness(replace(report, problems=find_problems(report))).ready


def test_a_service_in_order_is_ready_and_has_no_problem() -> None:
    assert names(healthy()) == []
    assert is_ready(healthy())


@pytest.mark.parametrize(
    ("part", "value", "problem", "ready"),
    [
        ("redis", Reading(error="refused"), "redis_down", False),
        ("database", Reading(error="locked"), "database_unavailable", False),
        ("database", DatabaseHealth("sqlite", None, "0002", 1), "database_not_migrated", False),
        ("database", DatabaseHealth("sqlite", "0001", "0002", 1), "database_not_migrated", False),
        ("beat", ago(seconds=31), "beat_down", True),
        ("beat", Reading(value=None), "beat_down", True),
        ("queues", (QueueHealth("upsert", 20, None),), "worker_deaf", True),
        ("jobs", jobs(job(last_success_at=ago(minutes=6, seconds=1))), "upserter_behind", False),
        ("jobs", jobs(job(last_success_at=None)), "upserter_behind", False),
        ("jobs", (), "upserter_behind", False),
        # a clock was set back: nobody knows how long ago that was
        ("jobs", jobs(job(last_success_at=ago(minutes=-5, seconds=-1))), "upserter_behind", False),
        ("beat", ago(minutes=-5, seconds=-1), "beat_down", True),
    ],
)
def test_each_problem_has_its_name(part: str, value: Any, problem: str, ready: bool) -> None:
    report = healthy(**{part: value})
    assert names(report) == [problem]
    assert is_ready(report) is ready


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("beat", ago(seconds=30)),
        ("queues", (QueueHealth("upsert", 19, None),)),
        ("jobs", jobs(job(last_success_at=ago(minutes=6)))),
        ("jobs", jobs(job(last_success_at=ago(minutes=-5)))),
        ("beat", ago(minutes=-5)),
    ],
)
def test_the_limit_itself_is_no_problem(part: str, value: Any) -> None:
    assert names(healthy(**{part: value})) == []


def test_a_success_in_the_future_is_said_to_tell_nothing() -> None:
    (problem,) = find_problems(healthy(jobs=jobs(job(last_success_at=ago(hours=-3)))))
    assert problem.text.startswith(
        "update_recent_deals last succeeded in 3 h by this clock, which was set back: how old the deals are"
    )


def test_an_unknown_heartbeat_is_not_called_silent() -> None:
    assert names(healthy(redis=Reading(error="refused"), beat=Reading(error="refused"))) == ["redis_down"]
