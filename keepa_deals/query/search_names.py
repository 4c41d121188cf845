"""The searches by name, for pages that let a reader choose one."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from keepa_deals.db.models import SearchRow, SearchState

_S = SearchRow.__table__.c


def read_search_names(connection: Connection) -> Mapping[int, str]:
    """Number and name of each search, in the order in which they were made."""
    there = select(_S.id, _S.name).where(_S.state != SearchState.REMOVED).order_by(_S.id)
    return {number: name for number, name in connection.execute(there)}  # noqa: C416  # typed rows
