"""How the seller reckons: the deployment's settings, and what people have put in their place."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.orm import Session

from keepa_deals.db.models import TermChange
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.seller_terms import check_term
from keepa_deals.settings import Settings

log = logging.getLogger(__name__)

MAX_CHANGES = 1000
"""Changes that are kept beside those in force."""
_C = TermChange.__table__.c


class Change(NamedTuple):
    """A change of a term; ``value`` is as JSON, ``None`` where the setting holds again."""

    id: int
    at: datetime
    actor: str
    name: str
    value: str | None


def pricing(connection: Connection, settings: Settings, now: datetime) -> Pricing:
    """How the seller reckons at a moment: the same for every reader and every job."""
    return settings.with_terms(terms_in_force(connection)).pricing_at(now)


def terms_in_force(connection: Connection) -> Mapping[str, Any]:
    """What stands in the place of settings. A value that is none, as of another version, is left out."""
    found = {}
    for change in changes_in_force(connection):
        if change.value is None:
            continue
        try:
            found[change.name] = check_term(change.name, json.loads(change.value))
        except ValueError:
            log.warning("term_changes %d: %s has no value of it: the setting holds", change.id, change.name)
    return found


def changes_in_force(connection: Connection) -> Sequence[Change]:
    """The newest change of each term."""
    newest = select(func.max(_C.id)).group_by(_C.name)
    return _changes(connection, select(*_columns()).where(_C.id.in_(newest)))


def latest_changes(connection: Connection, most: int) -> Sequence[Change]:
    """The latest changes, newest first."""
    return _changes(connection, select(*_columns()).order_by(_C.id.desc()).limit(most))


def record(session: Session, now: datetime, actor: str, values: Mapping[str, Any]) -> None:
    """Put values in the place of settings; ``None`` takes one away. Very old changes are forgotten."""
    for name, value in values.items():
        told = None if value is None else json.dumps(check_term(name, value))
        session.add(TermChange(at=now, actor=actor, name=name, value=told))
    session.flush()
    oldest = session.scalar(select(_C.id).order_by(_C.id.desc()).offset(MAX_CHANGES).limit(1))
    if oldest is not None:
        newest = select(func.max(_C.id)).group_by(_C.name)
        session.execute(delete(TermChange).where(_C.id <= oldest, _C.id.not_in(newest)))


def _columns() -> Sequence[Any]:
    return [_C[name] for name in Change._fields]


def _changes(connection: Connection, query: Any) -> Sequence[Change]:
    return [Change(*row) for row in connection.execute(query)]
