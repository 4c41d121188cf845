"""When a start may say that the service works, also one that finds it running."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from keepa_deals import health
from keepa_deals.deployment import dashboard_probe
from keepa_deals.deployment import supervisor as supervisor_client
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import UnhealthyError
from keepa_deals.deployment.home import Home
from keepa_deals.health.parts.jobs import JobHealth
from keepa_deals.health.probing import Reading
from keepa_deals.jobs import BACKFILL_JOB
from keepa_deals.ops.wait_healthy import wait_until_healthy
from keepa_deals.settings import Settings
from tests.support.health_reports import ago, healthy, job, jobs

FAILED = job(last_outcome="failed", last_error="Keepa /deal: 500", last_success_at=ago(minutes=2))
REFUSED = job(last_outcome="failed", last_error="Keepa /deal: 402 the key is refused")
LATE = job(last_success_at=ago(hours=2))
ROWS = {
    "the last run succeeded": (job(), None, False, None),
    "the last run failed": (FAILED, None, False, "update_recent_deals, whose last error was: Keepa"),
    "the key is refused": (REFUSED, None, False, "402 the key is refused"),
    "the last success is old": (LATE, None, False, "a run of update_recent_deals"),
    "it waits for tokens": (job(last_outcome="waiting_for_tokens"), None, False, None),
    "never a success": (job(last_success_at=None), None, False, "the first deals"),
    "launched before the success": (job(), ago(seconds=30), False, None),
    "launched after it": (job(), ago(seconds=5), False, "a run of update_recent_deals"),
    "failed, but programs alone count": (FAILED, None, True, None),
}  # fmt: skip


def wait(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *states: JobHealth,
    launched: datetime | None = None,
    any_success: bool = False,
) -> list[str]:
    report = healthy(jobs=Reading(jobs(*states)))
    monkeypatch.setattr(health, "collect", lambda _: report)
    monkeypatch.setattr(supervisor_client, "states", lambda _: [])
    monkeypatch.setattr(dashboard_probe, "answers", lambda *_: True)
    deployment = Deployment(Home(tmp_path), Settings(_env_file=None), with_sandbox=False)  # type: ignore[call-arg]
    said: list[str] = []
    wait_until_healthy(deployment, said.append, within=-1, launched=launched, any_success=any_success)
    return said


@pytest.mark.parametrize(("state", "launched", "any_success", "missing"), ROWS.values(), ids=ROWS)
def test_it_works_by_the_outcome_of_the_upserter_s_last_run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    state: JobHealth,
    launched: datetime | None,
    any_success: bool,
    missing: str | None,
) -> None:
    if missing is None:
        wait(monkeypatch, tmp_path, state, launched=launched, any_success=any_success)
        return
    with pytest.raises(UnhealthyError) as refused:
        wait(monkeypatch, tmp_path, state, launched=launched, any_success=any_success)
    assert missing in str(refused.value)


def test_another_job_whose_last_run_failed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = wait(monkeypatch, tmp_path, job(BACKFILL_JOB.name, last_outcome="failed", last_error="no room"))
    assert said == ["  note  the last run of backfill_deals failed: no room"]
