"""What the last hour was like: gaps, failures, the curve."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keepa_deals.db.models import JobRun, Sample
from keepa_deals.health.parts import history
from keepa_deals.health.parts.history import Gap, HistoryHealth

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LONG = timedelta(minutes=6)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def engine_of(session: Session) -> Engine:
    session.commit()
    bind = session.get_bind()
    assert isinstance(bind, Engine)
    return bind


def run(minutes: float, outcome: str = "succeeded", detail: str | None = None) -> JobRun:
    at = ago(minutes)
    return JobRun(name="update_recent_deals", started_at=at, finished_at=at, outcome=outcome, detail=detail)


def test_a_time_without_a_success_is_a_gap_once_it_is_over(session: Session) -> None:
    session.add_all([run(50), run(40), run(35), run(30, "failed", "Keepa /deal: 502"), run(29)])
    found = history.read(engine_of(session), NOW, LONG)
    assert found.gaps == (Gap(ago(50), ago(40)),)


def test_a_gap_that_began_before_the_hour_is_seen(session: Session) -> None:
    session.add_all([run(64), run(55), run(54)])
    assert history.read(engine_of(session), NOW, LONG).gaps == (Gap(ago(64), ago(55)),)


def test_runs_that_failed_with_the_same_words_are_counted_without_secrets(session: Session) -> None:
    words = f"GET /deal?key={'k' * 64} failed"
    session.add_all([run(9, "failed", words), run(3, "failed", words), run(2)])
    (failure,) = history.read(engine_of(session), NOW, LONG).failures
    assert (failure.count, failure.last_at) == (2, ago(3))
    assert "kkkk" not in failure.text


def test_nothing_recorded_is_no_error(session: Session) -> None:
    assert history.read(engine_of(session), NOW, LONG) == HistoryHealth(None, None, (), (), ())


def test_the_curve_is_that_of_the_samples(session: Session) -> None:
    session.add_all([Sample(at=ago(m), live=m, stale=1, ended=2) for m in (50, 5, 200)])
    found = history.read(engine_of(session), NOW, LONG)
    assert [point.live for point in found.curve] == [50, 5]
    assert found.last_sample_at == ago(5)
