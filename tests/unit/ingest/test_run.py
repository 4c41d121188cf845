"""A run of a job: when it begins, when it ends, and what is said of one that another overtook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from keepa_deals.db.models import JobRun, JobState
from keepa_deals.ingest.run import Outcome, Run, run_job
from keepa_deals.jobs import UPSERT_JOB
from tests.support.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path / "deals.db")
    yield world
    world.database.close()


def test_a_run_that_another_overtook_is_no_success_whatever_it_did(world: World) -> None:
    """Its lock was flushed away, and its work was whole before it could know."""

    def whole(run: Run) -> Outcome:
        run.rows = 7
        return Outcome.SUCCEEDED

    def overtaken(run: Run) -> Outcome:
        assert run_job(world.context, UPSERT_JOB, whole).outcome is Outcome.SUCCEEDED
        return Outcome.SUCCEEDED

    result = run_job(world.context, UPSERT_JOB, overtaken)
    assert result.outcome is Outcome.LOST_LOCK
    assert "a newer run began before this one ended" in (result.detail or "")
    with world.database.session() as session:
        runs = session.scalars(select(JobRun.outcome).order_by(JobRun.id)).all()
        state = session.get_one(JobState, UPSERT_JOB.name)
    assert list(runs) == [Outcome.SUCCEEDED, Outcome.LOST_LOCK]
    assert (state.last_outcome, state.rows, state.fence) == (Outcome.SUCCEEDED, 7, 2)


def test_an_idle_run_that_was_overtaken_is_recorded_too(world: World) -> None:
    def overtaken(run: Run) -> Outcome:
        run_job(world.context, UPSERT_JOB, lambda _: Outcome.NOTHING_TO_DO)
        return Outcome.NOTHING_TO_DO

    assert run_job(world.context, UPSERT_JOB, overtaken).outcome is Outcome.LOST_LOCK
