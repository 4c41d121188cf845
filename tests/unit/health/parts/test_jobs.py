"""What the jobs remember."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keepa_deals.db.models import JobState
from keepa_deals.health.parts import jobs

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def test_jobs_come_with_their_memory_and_no_secret_in_the_error(engine: Engine) -> None:
    key = "k" * 64
    with Session(engine) as session, session.begin():
        session.add(
            JobState(
                name="update_recent_deals",
                fence=3,
                last_started_at=NOW,
                last_finished_at=NOW - timedelta(minutes=1),
                last_success_at=NOW - timedelta(minutes=1),
                last_outcome="error",
                last_error=f"GET /deal?key={key}",
                paused=False,
                rows=150,
                tokens_spent=25,
            ),
        )
    (job,) = jobs.read(engine)
    assert (job.name, job.rows, job.tokens_spent, job.last_outcome) == (
        "update_recent_deals",
        150,
        25,
        "error",
    )
    assert job.last_success_at == NOW - timedelta(minutes=1)
    assert job.running
    assert key not in str(job.last_error)
