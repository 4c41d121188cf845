"""What Keepa told of a deal's past, packed into one field: price and rank over the last 90 days."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Step = tuple[int, int | None]
"""From this Unix minute on, the value: cents or rank; ``None`` when there was no offer, or no rank."""


MAX_BYTES = 1 << 20
"""Two full series take some ten kilobytes."""
MAX_VALUE = 2**31 - 1
LAST_MINUTE = 68_374_080
"""The Unix minute of 2100-01-01."""


@dataclass(frozen=True, slots=True)
class Past:
    """Each value holds until the next step of its series; the steps ascend in time."""

    prices: tuple[Step, ...]
    ranks: tuple[Step, ...]


def pack(past: Past) -> bytes:
    """Differences of time and values as compressed JSON: a kilobyte or two for two full series."""
    text = json.dumps([_flat(past.prices), _flat(past.ranks)], separators=(",", ":"))
    return zlib.compress(text.encode())


def unpack(packed: bytes) -> Past:
    """What was packed; a ``ValueError`` when it is none."""
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(packed, MAX_BYTES)
        if not unpacking.eof:
            raise ValueError("no history: it has no end")
        prices, ranks = json.loads(text)
        return Past(_steps(*prices), _steps(*ranks))
    except (zlib.error, TypeError, RecursionError) as error:
        raise ValueError(f"no history: {error}") from None


def _flat(steps: Iterable[Step]) -> list[list[Any]]:
    waits: list[int] = []
    values: list[int | None] = []
    before = 0
    for minute, value in steps:
        waits.append(minute - before)
        values.append(value)
        before = minute
    return [waits, values]


def _steps(waits: Sequence[int], values: Sequence[int | None]) -> tuple[Step, ...]:
    steps: list[Step] = []
    minute = 0
    for wait, value in zip(waits, values, strict=True):
        if type(wait) is not int or not (value is None or (type(value) is int and abs(value) <= MAX_VALUE)):
            raise ValueError("no history: a step is none")
        minute += wait
        if not 0 <= minute <= LAST_MINUTE:
            raise ValueError("no history: a time is none")
        steps.append((minute, value))
    return tuple(steps)
