"""Reading the parameters of a request. Each function raises ``ParameterError``, which names the parameter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from keepa_deals.errors import KeepaDealsError

E = TypeVar("E", bound=StrEnum)
Arguments = Mapping[str, Sequence[str]]
"""The values of each parameter that was given."""

MAX_TEXT = 200
_INTEGER = re.compile(r"\d{1,19}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class ParameterError(KeepaDealsError):
    """A parameter of a request is wrong. ``name`` is its name, the text says what is allowed."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


def read_single(name: str, values: Sequence[str]) -> str:
    """The only value."""
    if len(values) != 1:
        raise ParameterError(name, "given more than once")
    return values[0]


def read_text(name: str, values: Sequence[str]) -> str:
    """Words of a person, at most ``MAX_TEXT`` characters."""
    value = read_single(name, values)
    if not value.strip():
        raise ParameterError(name, "must not be empty")
    if len(value) > MAX_TEXT:
        raise ParameterError(name, f"at most {MAX_TEXT} characters")
    if _CONTROL.search(value):
        raise ParameterError(name, "control characters are not allowed")
    return value.strip()


def read_one_of(name: str, values: Sequence[str], allowed: Iterable[str]) -> str:
    """One of the ``allowed`` values."""
    value = read_single(name, values)
    if value not in allowed:
        raise ParameterError(name, f"must be one of {', '.join(allowed)}")
    return value


def read_enum(name: str, values: Sequence[str], kind: type[E]) -> E:
    """One of the names of an enumeration."""
    return kind(read_one_of(name, values, list(kind)))


def read_integer(name: str, value: str, least: int, most: int) -> int:
    """A whole number from ``least`` to ``most``."""
    if not _INTEGER.fullmatch(value) or not value.isascii() or not least <= int(value) <= most:
        raise ParameterError(name, f"must be a whole number from {least} to {most}")
    return int(value)


def reject_unknown(arguments: Iterable[str], known: Iterable[str]) -> None:
    """``ParameterError`` for the first parameter that does not exist: a typo must not widen a view."""
    names = list(known)
    for name in arguments:
        if name not in names:
            raise ParameterError(name[:100], f"no such parameter; there are {', '.join(names)}")
