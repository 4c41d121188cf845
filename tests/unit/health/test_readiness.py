"""What the look alone shows to be wrong, and what makes the service not ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keepa_deals import settings as settings_module
from keepa_deals.health.parts.database import DatabaseHealth
from keepa_deals.health.parts.queues import QueueHealth
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import behind_after, find_problems
from keepa_deals.health.readiness import readiness
from keepa_deals.health.report import HealthReport
from keepa_deals.humanize import age_text, duration_text
from tests.support.health_reports import NOW, ago, healthy, job, jobs


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


@pytest.mark.parametrize(
    ("interval", "tick", "seconds"), [(60, 60.0, 360), (1, 0.05, 15), (300, 60.0, 1080), (10, 1.0, 33)]
)
def test_how_late_the_upserter_may_be_follows_from_its_interval_and_the_ticks(
    interval: int, tick: float, seconds: int
) -> None:
    settings = settings_module.load(
        env_file=None, runtime=False, upsert_interval_seconds=interval, keepa_tick_seconds=tick
    )
    assert behind_after(settings) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_a_length_of_time_is_told_in_its_largest_fitting_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_an_age_says_never_and_knows_the_future() -> None:
    assert age_text(None, NOW) == "never"
    assert age_text(ago(seconds=5), NOW) == "5 s ago"
    assert age_text(ago(seconds=-5), NOW) == "in 5 s"
