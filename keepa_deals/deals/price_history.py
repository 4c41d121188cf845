"""What Keepa told of a deal's past, packed into one field: a year of price, rank and what explains them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Step = tuple[int, int | None]
"""From this Unix minute on, the value: cents, rank, count; ``None`` when there was no offer, or no rank."""
Steps = tuple[Step, ...]

MAX_PACKED = 4096
"""Bytes of a deal's past; a longer one is thinned until it fits."""
MAX_BYTES = 1 << 20
"""Of an unpacked past. All full series take some forty kilobytes."""
MAX_VALUE = 2**31 - 1
LAST_MINUTE = 68_374_080
"""The Unix minute of 2100-01-01."""
RECENT = 90 * 1440
"""Minutes at the end that get half of the steps when a series is thinned."""
FINER = (8, 4, 2, 1)
"""Spans for each step that may stay: where steps come in bursts, shorter spans do, and lose less."""
SHARES = ((360, 180), (360, 90), (240, 60), (160, 40), (80, 20), (40, 10))
"""Steps of price and rank, and of each other line: the first pair of which all fits is taken."""


class Line(StrEnum):
    """What is kept beside the deal's own price and its rank."""

    AMAZON = "amazon"
    NEW = "new"
    USED = "used"
    BUY_BOX = "buy_box"
    OFFERS = "offers"
    """How many offers of the deal's condition there were."""
    RATING = "rating"
    """In tenths of a star."""
    YEAR_BEFORE = "year_before"
    """The deal's price in the year before the kept one, month by month."""


@dataclass(frozen=True, slots=True)
class Past:
    """Each value holds until the next step of its series; the steps ascend in time."""

    prices: Steps
    ranks: Steps
    lines: Mapping[Line, Steps] = field(default_factory=dict)
    sales: tuple[int, ...] = ()
    """The Unix minutes at which the rank fell."""


def pack(past: Past) -> bytes:
    """Differences of times and values as compressed JSON."""
    told = {
        "price": _flat(past.prices),
        "rank": _flat(past.ranks),
        "sales": _flat((minute, 0) for minute in past.sales)[0],
        **{str(line): _flat(steps) for line, steps in past.lines.items() if steps},
    }
    return zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 9)


def pack_within(past: Past, until: int, most: int = MAX_PACKED) -> bytes:
    """The past packed into at most so many bytes, with as many steps as fit; it ends at ``until``."""
    for main, other in SHARES:
        packed = pack(_thinned(past, until, main, other))
        if len(packed) <= most:
            break
    return packed


def _thinned(past: Past, until: int, main: int, other: int) -> Past:
    sales = thinned([(minute, minute) for minute in past.sales], until, main)
    return Past(
        thinned(past.prices, until, main),
        thinned(past.ranks, until, main),
        {line: thinned(steps, until, other) for line, steps in past.lines.items()},
        tuple(minute for minute, _ in sales),
    )


def thinned(steps: Sequence[Step], until: int, most: int) -> Steps:
    """At most so many steps, each to another value. The last of each span of time stays, with its own time.

    The spans are as short as they may be; those of the recent part are shorter, half of them are for it.
    """
    found = tuple(steps)
    for finer in FINER:
        if len(found) <= most:
            break
        found = _last_of_spans(found, until, most * finer)
    return found


def _last_of_spans(steps: Steps, until: int, count: int) -> Steps:
    since = steps[0][0]
    recent = max(since, until - RECENT)
    half = count // 2 if since < recent else 0
    early, late = (recent - since) // max(1, half) + 1, (until - recent) // (count - half) + 1
    last_of = {
        (minute - recent) // late if minute >= recent else (minute - since) // early - half: (minute, value)
        for minute, value in steps
    }
    return changes(list(last_of.values()))


def changes(steps: Sequence[Step]) -> Steps:
    """Without the steps that change nothing."""
    return tuple(step for i, step in enumerate(steps) if i == 0 or step[1] != steps[i - 1][1])


def unpack(packed: bytes) -> Past:
    """What was packed, now or by an earlier version; a ``ValueError`` when it is none."""
    try:
        told = json.loads(_unpacked(packed))
        return _past(told) if isinstance(told, dict) else _past_of_90_days(told)
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no history: {error}") from None


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed, MAX_BYTES)
    if not unpacking.eof:
        raise ValueError("it has no end")
    return text


def _past(told: Mapping[str, Any]) -> Past:
    """Lines that a later version keeps are left out."""
    lines = {line: _steps(*told[line]) for line in Line if line in told}
    waits = told["sales"]
    sales = _steps(waits, [0] * len(waits))
    return Past(_steps(*told["price"]), _steps(*told["rank"]), lines, tuple(minute for minute, _ in sales))


def _past_of_90_days(told: Any) -> Past:
    """The form of earlier versions: price and rank, whose values are no differences."""
    prices, ranks = ((waits, _differences(values)) for waits, values in told)
    return Past(_steps(*prices), _steps(*ranks))


def _flat(steps: Iterable[Step]) -> list[list[Any]]:
    waits: list[int] = []
    values: list[int | None] = []
    before = 0
    for minute, value in steps:
        waits.append(minute - before)
        values.append(value)
        before = minute
    return [waits, _differences(values)]


def _differences(values: Sequence[int | None]) -> list[int | None]:
    """Each value as its difference to the last known one."""
    found: list[int | None] = []
    before = 0
    for value in values:
        found.append(None if value is None else value - before)
        before = before if value is None else value
    return found


def _steps(waits: Sequence[int], differences: Sequence[int | None]) -> Steps:
    steps: list[Step] = []
    minute = known = 0
    for wait, difference in zip(waits, differences, strict=True):
        if type(wait) is not int or not (difference is None or type(difference) is int):
            raise ValueError("a step is none")
        minute += wait
        known += difference or 0
        if not 0 <= minute <= LAST_MINUTE or abs(known) > MAX_VALUE:
            raise ValueError("a time or a value is none")
        steps.append((minute, None if difference is None else known))
    return tuple(steps)
