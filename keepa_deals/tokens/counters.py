"""The counters that the Lua scripts and the workers keep in one hash of Redis, parsed in one place.

A field is a name, or a name with its labels after bars: ``grants|small``, ``answers|/deal|200``. What others
wrote there, or a number that Redis cannot hold, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keepa_deals.keepa.time import from_unix_ms

COUNTING_SINCE = "since"
"""Unix milliseconds of beat's first tick on this Redis, so a later one than expected
means that Redis lost its data."""

MESSAGES_DROPPED = "messages_dropped"
MESSAGES_DROPPED_AT = "messages_dropped_at"
"""Messages that were none of ours, by queue (``messages_dropped|upsert``), and Unix
milliseconds of the last one."""
WAIT_EDGES_MS = (1000, 5000, 15_000, 60_000, 120_000, 300_000, 900_000)
"""Upper edges of the waits that ``grant.lua`` counts; what waited longer is under ``inf``."""
_DIGITS = 20
"""Redis counts in 64 bits."""


@dataclass(frozen=True, slots=True)
class LaneCounters:
    """What one lane granted and refused since the counters began."""

    grants: int
    refusals: int
    waits: int
    """Granted after a wait, as the histogram has it."""
    waited_seconds: float
    """All waits together."""
    waits_up_to: tuple[tuple[float, int], ...]
    """(seconds, waits that lasted longer than the edge before and at most so long); the last edge is inf."""

    @property
    def mean_wait(self) -> float | None:
        """Seconds that those who had to wait waited on average; ``None`` when nobody had to."""
        return self.waited_seconds / self.waits if self.waits else None


@dataclass(frozen=True, slots=True)
class Counters:
    """Counts since the counters began, by field of the hash."""

    fields: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[Any, Any]) -> Counters:
        """The counters from what Redis holds."""
        return cls({str(name): int(value) for name, value in raw.items() if _is_count(str(value))})

    def total(self, name: str) -> int:
        """A counter without labels, such as ``rejected_429``."""
        return self.fields.get(name, 0)

    def of(self, name: str, *labels: str) -> int:
        """A counter with labels, such as ``grants`` of the lane ``small``."""
        return self.fields.get("|".join((name, *labels)), 0)

    def labelled(self, name: str) -> Iterator[tuple[tuple[str, ...], int]]:
        """Every (labels, count) of a counter with labels, in order."""
        for known in sorted(self.fields):
            first, *labels = known.split("|")
            if first == name and labels:
                yield tuple(labels), self.fields[known]

    def lane(self, lane: str) -> LaneCounters:
        """What is counted of one lane."""
        edges = [(edge / 1000, str(edge)) for edge in WAIT_EDGES_MS] + [(float("inf"), "inf")]
        waits = tuple((seconds, self.of("waited_le", lane, edge)) for seconds, edge in edges)
        return LaneCounters(
            grants=self.of("grants", lane),
            refusals=self.of("refusals", lane),
            waits=sum(count for _, count in waits),
            waited_seconds=self.of("waited_ms", lane) / 1000,
            waits_up_to=waits,
        )

    @property
    def since(self) -> datetime | None:
        """When the counters began; ``None`` on a Redis of a beat from before this was noted."""
        return self._moment(COUNTING_SINCE)

    @property
    def dropped(self) -> dict[str, int]:
        """Messages that were none of ours, by queue."""
        return {labels[0]: count for labels, count in self.labelled(MESSAGES_DROPPED)}

    @property
    def dropped_at(self) -> datetime | None:
        """When the last of them was dropped."""
        return self._moment(MESSAGES_DROPPED_AT)

    def _moment(self, name: str) -> datetime | None:
        noted = self.fields.get(name)
        return from_unix_ms(noted) if noted else None


def _is_count(value: str) -> bool:
    return value.lstrip("-").isdecimal() and len(value) < _DIGITS
