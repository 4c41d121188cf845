"""What came and what went, by hour, kind and reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.health.parts import flow

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
OUT_OF_STOCK = (DealEventKind.ENDED, EndedReason.OUT_OF_STOCK)
_MOMENTS = (
    "deal_created_at",
    "keepa_updated_at",
    "first_seen_at",
    "last_seen_at",
    "listed_at",
    "changed_at",
)


def put(engine: Engine, *events: tuple[float, DealEventKind, EndedReason | None]) -> None:
    """One deal and its events: how many minutes ago, what, why."""
    with Session(engine) as session, session.begin():
        session.add(Deal(domain_id=1, asin="A", price_type=0, **dict.fromkeys(_MOMENTS, NOW)))
        session.flush()
        session.add_all(
            DealEvent(domain_id=1, asin="A", at=NOW - timedelta(minutes=minutes), kind=kind, reason=reason)
            for minutes, kind, reason in events
        )


def test_the_flow_of_the_last_hour_is_counted_by_kind_and_reason(engine: Engine) -> None:
    put(
        engine,
        (1, DealEventKind.FOUND, None),
        (2, DealEventKind.RETURNED, None),
        (3, DealEventKind.STALE, None),
        (4, *OUT_OF_STOCK),
        (61, *OUT_OF_STOCK),
    )
    changes = flow.read(engine, NOW)
    assert changes.last_hour[("ended", "out_of_stock")] == 1
    assert (changes.arrivals, changes.departures) == (2, 2)


def test_changes_are_counted_by_hour(engine: Engine) -> None:
    put(
        engine,
        (1, DealEventKind.FOUND, None),
        *((minutes, *OUT_OF_STOCK) for minutes in (59, 60, 61, 359, 361)),
    )
    changes = flow.read(engine, NOW)
    key = ("ended", "out_of_stock")
    assert [hour.get(key, 0) for hour in changes.hours] == [1, 2, 0, 0, 0, 1]
    assert (changes.arrivals, changes.departures) == (1, 1)
