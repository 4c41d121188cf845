"""What the last hours were like: gaps, failures, changes by hour, and what is to be expected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keepa_deals.db.models import Base, Deal, DealEvent, JobRun, Sample
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.health.parts import database, history
from keepa_deals.health.report import DealsHealth, FlowHealth, Gap, HistoryHealth

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LONG = timedelta(minutes=6)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    path = tmp_path / "deals.db"
    path.touch()
    engine = database.probe_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


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
    found = history.read_history(engine_of(session), NOW, LONG)
    assert found.gaps == (Gap(ago(50), ago(40)),)


def test_a_gap_that_began_before_the_hour_is_seen(session: Session) -> None:
    session.add_all([run(64), run(55), run(54)])
    assert history.read_history(engine_of(session), NOW, LONG).gaps == (Gap(ago(64), ago(55)),)


def test_runs_that_failed_with_the_same_words_are_counted_without_secrets(session: Session) -> None:
    words = f"GET /deal?key={'k' * 64} failed"
    session.add_all([run(9, "failed", words), run(3, "failed", words), run(2)])
    (failure,) = history.read_history(engine_of(session), NOW, LONG).failures
    assert (failure.count, failure.last_at) == (2, ago(3))
    assert "kkkk" not in failure.text


def test_nothing_recorded_is_no_error(session: Session) -> None:
    assert history.read_history(engine_of(session), NOW, LONG) == HistoryHealth(None, None, (), (), ())


def test_the_curve_is_that_of_the_samples(session: Session) -> None:
    session.add_all([Sample(at=ago(m), live=m, stale=1, ended=2) for m in (50, 5, 200)])
    found = history.read_history(engine_of(session), NOW, LONG)
    assert [point.live for point in found.curve] == [50, 5]
    assert found.last_sample_at == ago(5)


def test_changes_are_counted_by_hour(session: Session) -> None:
    moment = ago(0)
    session.add(
        Deal(
            domain_id=1,
            asin="A",
            price_type=0,
            **dict.fromkeys(
                (
                    "deal_created_at",
                    "keepa_updated_at",
                    "first_seen_at",
                    "last_seen_at",
                    "listed_at",
                    "changed_at",
                ),
                moment,
            ),
        )
    )
    ended = (DealEventKind.ENDED, EndedReason.OUT_OF_STOCK)
    events = [
        (1, DealEventKind.FOUND, None),
        (59, *ended),
        (60, *ended),
        (61, *ended),
        (359, *ended),
        (361, *ended),
    ]
    session.add_all(
        DealEvent(domain_id=1, asin="A", at=ago(minutes), kind=kind, reason=reason)
        for minutes, kind, reason in events
    )
    flow = history.read_flow(engine_of(session), NOW)
    key = ("ended", "out_of_stock")
    assert [hour.get(key, 0) for hour in flow.hours] == [1, 2, 0, 0, 0, 1]
    assert (flow.arrivals, flow.departures) == (1, 1)


QUARTER = timedelta(minutes=15)
DEALS = DealsHealth(100, 0, 0, ((QUARTER, 60), (2 * QUARTER, 20), (3 * QUARTER, 15), (4 * QUARTER, 5)))
OLD = HistoryHealth(ago(61), None, (), (), ())


def test_unattended_the_oldest_deals_go_first_and_all_within_the_window() -> None:
    found = history.forecast(DEALS, None, OLD, NOW)
    assert found is not None
    assert found.unattended == ((QUARTER, 95), (2 * QUARTER, 80), (3 * QUARTER, 60), (4 * QUARTER, 0))


def test_attended_the_last_hour_goes_on_and_no_number_is_negative() -> None:
    found = history.forecast(DEALS, FlowHealth({}, 10, 50), OLD, NOW)
    assert found is not None
    assert found.expected == ((1, 60), (2, 20), (3, 0), (4, 0))


def test_a_young_deployment_has_no_hour_to_go_by() -> None:
    young = HistoryHealth(ago(30), None, (), (), ())
    found = history.forecast(DEALS, FlowHealth({}, 10, 50), young, NOW)
    assert found is not None
    assert found.expected == ()
    assert history.forecast(None, None, None, NOW) is None
