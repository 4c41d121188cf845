"""The open deals of one marketplace, found by the indices of the open ones."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_

from keepa_deals.db.models import Deal


def open_in(domain_id: int) -> ColumnElement[bool]:
    """The deals of a marketplace that have not ended.

    SQLite has no statistics here and takes an equality for the best that an index can serve: it would go
    through the primary key by its first column, past every deal that ever ended. A sum cannot be looked up.
    """
    return and_(Deal.ended_at.is_(None), Deal.domain_id + 0 == domain_id)
