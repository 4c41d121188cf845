"""Takes an address apart as it is written, also where its password has characters that belong escaped.

``scheme://user:password@place/path?options``: by the rules first. Where what is left is no address then, the
password has a raw ``/``, ``#``, ``?``, ``[`` or ``@``: it ends at the last ``@`` after which a place stands.
Errors never quote: they might quote the password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote

T = TypeVar("T")

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_OPTION = re.compile(r"&(?=[A-Za-z_][A-Za-z0-9_.-]*=)")
"""An ``&`` that ends an option's value: another one belongs to a password."""


@dataclass(frozen=True)
class Parts:
    """What stands in an address; user and password unescaped, the rest as written."""

    scheme: str
    place: str
    path: str
    """With its slash; empty where there is none."""
    options: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def scheme_of(address: str) -> str:
    """``redis`` of ``redis://…``, in lower case; empty where there is none."""
    match = _SCHEME.match(address)
    return match[1].lower() if match else ""


def split(address: str, check: Callable[[Parts], T]) -> T:
    """What ``check`` makes of the parts: it raises a ``ValueError`` for parts that make no sense.

    The first reading that passes it counts; when none does, the error is that of the first.
    """
    match = _SCHEME.match(address)
    if match is None:
        raise ValueError("is no address: must begin like scheme://")
    problem: ValueError | None = None
    for parts in _readings(match[1].lower(), address[match.end() :].rstrip()):
        try:
            return check(parts)
        except ValueError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _readings(scheme: str, rest: str) -> Iterator[Parts]:
    """Every way to read it, the likeliest first."""
    end = next((at for at, char in enumerate(rest) if char in "/?#"), len(rest))
    login, at, place = rest[:end].rpartition("@")
    yield _parts(scheme, login if at else None, place + rest[end:])
    for position in range(len(rest) - 1, -1, -1):
        if rest[position] == "@" and position != len(login):
            yield _parts(scheme, rest[:position], rest[position + 1 :])


def _parts(scheme: str, login: str | None, rest: str) -> Parts:
    user, colon, password = (login or "").partition(":")
    whole, _, query = rest.partition("?")
    place, slash, path = whole.partition("/")
    return Parts(
        scheme,
        place,
        slash + path,
        _options(query),
        unquote(user) or None,
        unquote(password) if colon and password else None,
    )


def _options(query: str) -> dict[str, str]:
    """By name; ``+`` stays itself: passwords have it, and blanks are written ``%20``."""
    pairs = (option.partition("=") for option in _OPTION.split(query) if option)
    return {unquote(name): unquote(value) for name, _, value in pairs}
