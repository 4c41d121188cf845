"""What the look reads from the tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keepa_deals.db.models import Base, Deal, DealEvent, JobState
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.errors import KeepaDealsError
from keepa_deals.health.parts import database, history

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FRESH = timedelta(minutes=60)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "deals.db"
    path.touch()
    engine = database.probe_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def deal(asin: str, age: timedelta, *, ended: bool = False) -> Deal:
    seen = NOW - age
    return Deal(
        domain_id=1,
        asin=asin,
        title="A thing",
        price_type=0,
        deal_created_at=seen,
        keepa_updated_at=seen,
        first_seen_at=seen,
        last_seen_at=seen,
        listed_at=seen,
        changed_at=seen,
        ended_at=seen if ended else None,
        ended_reason=EndedReason.OUT_OF_STOCK if ended else None,
    )


def put(engine: Engine, *rows: Base) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(rows)


def test_deals_are_counted_by_state_with_the_boundary_still_live(engine: Engine) -> None:
    put(
        engine,
        deal("A1", timedelta(0)),
        deal("A2", FRESH),
        deal("B1", FRESH + timedelta(seconds=1)),
        deal("C1", timedelta(0), ended=True),
        deal("C2", 2 * FRESH, ended=True),
    )
    deals = database.read_deals(engine, NOW, FRESH)
    assert (deals.live, deals.stale, deals.ended) == (2, 1, 2)


def test_an_empty_table_has_no_deals_of_any_kind(engine: Engine) -> None:
    deals = database.read_deals(engine, NOW, FRESH)
    assert (deals.live, deals.stale, deals.ended) == (0, 0, 0)
    assert [n for _, n in deals.ages] == [0, 0, 0, 0]


def test_live_deals_are_sorted_by_age_and_the_forecast_follows(engine: Engine) -> None:
    minutes = [0, 5, 20, 31, 46, 50, 59, 90]
    put(engine, *(deal(f"A{m}", timedelta(minutes=m)) for m in minutes))
    deals = database.read_deals(engine, NOW, FRESH)
    assert [n for _, n in deals.ages] == [2, 1, 1, 3]
    assert deals.stale_within(timedelta(minutes=15)) == 3
    assert deals.stale_within(timedelta(minutes=30)) == 4
    assert deals.stale_within(FRESH) == deals.live == 7


def test_jobs_come_with_their_memory_and_no_secret_in_the_error(engine: Engine) -> None:
    key = "k" * 64
    put(
        engine,
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
    (job,) = database.read_jobs(engine)
    assert (job.name, job.rows, job.tokens_spent, job.last_outcome) == (
        "update_recent_deals",
        150,
        25,
        "error",
    )
    assert job.last_success_at == NOW - timedelta(minutes=1)
    assert job.running
    assert key not in str(job.last_error)


def test_the_flow_of_the_last_hour_is_counted_by_kind_and_reason(engine: Engine) -> None:
    put(engine, deal("A", timedelta(0)))

    def event(kind: DealEventKind, age: timedelta, reason: EndedReason | None = None) -> DealEvent:
        return DealEvent(domain_id=1, asin="A", at=NOW - age, kind=kind, reason=reason)

    put(
        engine,
        event(DealEventKind.FOUND, timedelta(minutes=1)),
        event(DealEventKind.RETURNED, timedelta(minutes=2)),
        event(DealEventKind.STALE, timedelta(minutes=3)),
        event(DealEventKind.ENDED, timedelta(minutes=4), EndedReason.OUT_OF_STOCK),
        event(DealEventKind.ENDED, timedelta(minutes=61), EndedReason.OUT_OF_STOCK),
    )
    flow = history.read_flow(engine, NOW)
    assert flow.last_hour[("ended", "out_of_stock")] == 1
    assert (flow.arrivals, flow.departures) == (2, 2)


def test_a_missing_database_file_is_named_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "deals.db"
    with pytest.raises(KeepaDealsError, match=str(path)):
        database.probe_engine(f"sqlite:///{path}")
    assert not path.exists()


def test_tables_without_a_migration_are_not_migrated(engine: Engine) -> None:
    schema = database.read_schema(engine)
    assert schema.revision is None
    assert not schema.migrated
    assert schema.size_bytes is not None
    assert schema.size_bytes > 0
