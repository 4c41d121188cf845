"""Moments of PostgreSQL that Python has not (``infinity``): they come as ``UNREADABLE``."""

from __future__ import annotations

from typing import Any

from psycopg import DataError
from psycopg.adapt import Loader
from psycopg.pq import Format

from keepa_deals.db.models.base import UNREADABLE


def take_any_moment(connection: Any, _record: object) -> None:
    """Let a new connection read them; a listener of the engine."""
    timestamp = connection.adapters.types["timestamptz"].oid
    for form in (Format.TEXT, Format.BINARY):
        connection.adapters.register_loader(timestamp, _tolerant(connection, timestamp, form))


def _tolerant(connection: Any, oid: int, form: Format) -> type[Loader]:
    known = connection.adapters.get_loader(oid, form)

    class Tolerant(Loader):
        format = form

        def __init__(self, oid: int, connection: Any = None) -> None:
            super().__init__(oid, connection)
            self._load = known(oid, connection).load

        def load(self, data: Any) -> Any:
            try:
                return self._load(data)
            except DataError:
                return UNREADABLE

    return Tolerant
