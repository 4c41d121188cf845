"""How many deals there are of each state, and how old the live ones are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.health.parts import deals

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FRESH = timedelta(minutes=60)


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


def put(engine: Engine, *rows: Deal) -> None:
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
    counts = deals.read(engine, NOW, FRESH)
    assert (counts.live, counts.stale, counts.ended) == (2, 1, 2)


def test_an_empty_table_has_no_deals_of_any_kind(engine: Engine) -> None:
    counts = deals.read(engine, NOW, FRESH)
    assert (counts.live, counts.stale, counts.ended) == (0, 0, 0)
    assert [n for _, n in counts.ages] == [0, 0, 0, 0]


def test_live_deals_are_sorted_by_age_and_the_forecast_follows(engine: Engine) -> None:
    minutes = [0, 5, 20, 31, 46, 50, 59, 90]
    put(engine, *(deal(f"A{m}", timedelta(minutes=m)) for m in minutes))
    counts = deals.read(engine, NOW, FRESH)
    assert [n for _, n in counts.ages] == [2, 1, 1, 3]
    assert counts.stale_within(timedelta(minutes=15)) == 3
    assert counts.stale_within(timedelta(minutes=30)) == 4
    assert counts.stale_within(FRESH) == counts.live == 7
