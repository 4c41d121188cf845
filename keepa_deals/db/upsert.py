"""Bulk writes of deals, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table, bindparam, func, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keepa_deals.db.models import AlertMemory, Deal, DealPast, DealPoint, DealVariation, JobState, MarkBook

DEALS = Deal.__table__
KEY = ("domain_id", "asin")
KEPT = frozenset({*KEY, "first_seen_at"})
"""Columns that a row keeps from its first day on."""
_WRITERS_LOCK = 0x6B65657061


def lock_writers(session: Session) -> None:
    """Hold off every other writer of deals until the transaction ends.

    SQLite does so on its own. On PostgreSQL it makes reading the old state and writing the new one a
    single step, without which two workers could both believe to have found a deal.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS_LOCK})


def upsert_deals(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows, all with the same columns; what is there already keeps its first day."""
    if rows:
        statement = upsert_statement(session, rows[0])
        session.connection().execute(statement, [dict(row) for row in rows])


def touch_deals(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set some columns of deals that are there; each row has the key and those columns, all the same ones."""
    if rows:
        key = [DEALS.c[name] == bindparam(f"key_{name}") for name in KEY]
        columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name not in KEY}
        statement = update(Deal).where(*key).values(columns)
        values = [{f"key_{name}" if name in KEY else name: row[name] for name in row} for row in rows]
        session.connection().execute(statement, values)


def upsert_statement(session: Session, columns: Iterable[str]) -> Insert:
    """INSERT … ON CONFLICT DO UPDATE of these columns of ``deals``, in the dialect of the session."""
    statement = _insert(session, DEALS)
    new = statement.excluded  # type: ignore[attr-defined]
    changed = {name: new[name] for name in columns if name not in KEPT}
    if "category_name" in changed:
        changed["category_name"] = func.coalesce(new["category_name"], DEALS.c.category_name)
    upsert: Insert = statement.on_conflict_do_update(  # type: ignore[attr-defined]
        index_elements=KEY, set_=changed
    )
    return upsert


def insert_points(session: Session, points: Sequence[Mapping[str, Any]]) -> None:
    """Add points of history; one of the same moment is there already."""
    if points:
        statement = _insert(session, DealPoint.__table__).on_conflict_do_nothing()  # type: ignore[attr-defined]
        session.connection().execute(statement, [dict(point) for point in points])


def write_pasts(session: Session, pasts: Sequence[Mapping[str, Any]]) -> None:
    """Write what Keepa told of the past of deals, in the place of what it told before."""
    if pasts:
        statement = _insert(session, DealPast.__table__)
        new = statement.excluded  # type: ignore[attr-defined]
        statement = statement.on_conflict_do_update(  # type: ignore[attr-defined]
            index_elements=["domain_id", "asin"],
            set_={name: new[name] for name in ("read_at", "price_type", "packed")},
        )
        session.connection().execute(statement, [dict(past) for past in pasts])


def write_variations(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write to which family products belong, in the place of what was told before."""
    if rows:
        statement = _insert(session, DealVariation.__table__)
        new = statement.excluded  # type: ignore[attr-defined]
        statement = statement.on_conflict_do_update(  # type: ignore[attr-defined]
            index_elements=["domain_id", "asin"],
            set_={name: new[name] for name in ("family", "noted_at")},
        )
        session.connection().execute(statement, [dict(row) for row in rows])


def write_memories(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what alerts told of deals, in the place of what they told before."""
    if rows:
        statement = _insert(session, AlertMemory.__table__)
        new = statement.excluded  # type: ignore[attr-defined]
        statement = statement.on_conflict_do_update(  # type: ignore[attr-defined]
            index_elements=["alert_id", "domain_id", "asin"],
            set_={name: new[name] for name in ("occasion", "told_at", "price")},
        )
        session.connection().execute(statement, [dict(row) for row in rows])


def ensure_job(session: Session, name: str) -> None:
    """Make the row of a job that never ran; one that is there, or that another worker makes now, stays."""
    row = {"name": name, "fence": 0, "paused": False, "rows": 0, "tokens_spent": 0}
    statement = _insert(session, JobState.__table__).on_conflict_do_nothing()  # type: ignore[attr-defined]
    session.connection().execute(statement, row)


def ensure_mark_book(session: Session, number: int, person_id: int | None) -> None:
    """Make the book of a reader who never marked anything; one that is there stays."""
    row = {"id": number, "person_id": person_id, "revision": 0}
    statement = _insert(session, MarkBook.__table__).on_conflict_do_nothing()  # type: ignore[attr-defined]
    session.connection().execute(statement, row)


def _insert(session: Session, table: Any) -> Insert:
    assert isinstance(table, Table)
    dialect = session.get_bind().dialect.name
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
