"""Typed rows as the columns that SQLAlchemy takes: here, at the edge of the database, the types end."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def columns_of(row: DataclassInstance) -> dict[str, object]:
    """The columns of a row by name; those of a row within it are its own."""
    columns: dict[str, object] = {}
    for name in _names(type(row)):
        value = getattr(row, name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            columns |= columns_of(value)
        else:
            columns[name] = value
    return columns


def store(row: DataclassInstance, stored: object) -> None:
    """Set the columns of a row on a stored object."""
    for name, value in columns_of(row).items():
        setattr(stored, name, value)


def names_of(kind: type[DataclassInstance]) -> tuple[str, ...]:
    """The columns of a kind of row that holds no other."""
    return _names(kind)


@functools.cache
def _names(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
