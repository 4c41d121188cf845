"""The JSON of /api/status."""

from __future__ import annotations

import json

from keepa_deals.health.parts import READ
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import Problem
from keepa_deals.health.report import HealthReport
from keepa_deals.jobs import BACKFILL_JOB, UPSERT_JOB
from tests.support.health_reports import NOW, ago, deals, healthy, job, jobs

JOB_KEYS = {"last_started_at", "last_success_at", "last_outcome", "lock_holder", "rows", "tokens_spent"}


def unreadable() -> HealthReport:
    no: Reading[None] = Reading(error="out of order")
    return healthy(**dict.fromkeys((part.name for part in READ), no))


def test_the_status_has_the_shape_of_the_contract() -> None:
    status = healthy(deals=deals(450, 3, 20)).to_status()
    assert {"live": 450, "stale": 3, "ended": 20}.items() <= status["deals"].items()
    assert {"available", "refill_rate", "capacity", "as_of"} <= status["tokens"].keys()
    assert {"update_recent_deals", "backfill_deals"} <= status["jobs"].keys()
    assert all(status["jobs"][name].keys() >= JOB_KEYS for name in status["jobs"])
    assert status["beat"]["last_tick_at"] == "2026-11-24T02:59:58.000Z"


def test_the_status_keeps_its_shape_when_nothing_can_be_read() -> None:
    status = unreadable().to_status()
    assert status["deals"] | {"ages": []} == {"live": None, "stale": None, "ended": None, "ages": []}
    assert {status["tokens"][name] for name in ("available", "refill_rate", "capacity", "as_of")} == {None}
    for name in ("update_recent_deals", "backfill_deals"):
        assert {status["jobs"][name][key] for key in JOB_KEYS} == {None}
    assert status["beat"] == {"last_tick_at": None}
    assert status["errors"]["deals"] == "out of order"


def test_the_status_can_be_written_as_json() -> None:
    for report in (healthy(), unreadable()):
        assert json.loads(json.dumps(report.to_status()))


def test_the_plan_says_what_is_kept_and_why_not_all() -> None:
    plan = {"matching": 9000, "kept": 6900, "pages": 46, "needed": 373, "supply": 300, "limit": "plan"}
    stored = {**plan, "head_every_seconds": 300.0, "page_every_seconds": 75.0}
    status = healthy(jobs=jobs(job(UPSERT_JOB.name, cursor={"plan": stored}))).to_status()["plan"]
    assert status == {name: value for name, value in plan.items() if name != "pages"}
    assert set(unreadable().to_status()["plan"].values()) == {None}


def test_a_job_that_never_ran_has_spent_nothing() -> None:
    status = healthy(jobs=()).to_status()["jobs"]["backfill_deals"]
    assert (status["rows"], status["tokens_spent"], status["last_started_at"]) == (0, 0, None)


def test_the_holder_of_a_lock_stands_with_its_job() -> None:
    lock = LockHealth("backfill_deals_lock", "host:12:34:abcd", "host", 12, 41.5)
    status = healthy(locks=(LockHealth("update_recent_deals_lock"), lock)).to_status()["jobs"]
    assert status["backfill_deals"]["lock_holder"] == "host:12:34:abcd"
    assert status["backfill_deals"]["lock_ttl_seconds"] == 41.5
    assert status["update_recent_deals"]["lock_holder"] is None


def test_what_a_job_did_stands_in_the_status() -> None:
    backfill = job(
        BACKFILL_JOB.name, last_success_at=ago(minutes=1), rows=7, tokens_spent=9, last_outcome="succeeded"
    )
    status = healthy(jobs=jobs(backfill)).to_status()["jobs"]["backfill_deals"]
    assert status["last_success_at"] == "2026-11-24T02:59:00.000Z"
    assert (status["rows"], status["tokens_spent"], status["last_outcome"]) == (7, 9, "succeeded")


def test_problems_are_listed() -> None:
    base = healthy()
    report = HealthReport(
        taken_at=NOW,
        readings=base.readings,
        problems=(Problem("beat_down", "silent"),),
        behind_after=base.behind_after,
    )
    assert report.to_status()["problems"] == [{"name": "beat_down", "text": "silent"}]
