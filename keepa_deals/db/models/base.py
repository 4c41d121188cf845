"""What all tables share: their base, and the types of moments and names, the same on every database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

UNREADABLE = datetime.min.replace(tzinfo=UTC)
"""Stands for a moment of the table that is none (``db.soundness``)."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment on every database; a naive one is refused on the way in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """On SQLite the text that its ``DateTime`` stores, made at once and once: a page has 1,500 moments.

        Most of them are the one at which it was read, and those that its deals had before.
        """
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        @lru_cache(maxsize=1024)
        def to_text(value: datetime | None) -> str | None:
            moment = self.process_bind_param(value, dialect)
            return None if moment is None else moment.isoformat(" ", "microseconds")

        return to_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """On SQLite the moment at once from its text: a page of the dashboard reads 600."""
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)

        def to_moment(text: object) -> datetime | None:
            if text is None:
                return None
            try:
                return datetime.fromisoformat(f"{text}+00:00")
            except ValueError:
                return UNREADABLE

        return to_moment

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: times are aware UTC")
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002  # the interface of SQLAlchemy
    ) -> datetime | None:
        if value is None:
            return None
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            return UNREADABLE


class Named(TypeDecorator[Any]):
    """One of the names of an enumeration; what the table has beyond them comes as the text that it is."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__(length=32)
        self.kind = kind

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(self.kind(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        if value is None:
            return None
        try:
            return self.kind(value)
        except ValueError:
            return value


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON}  # noqa: RUF012  # SQLAlchemy's API
