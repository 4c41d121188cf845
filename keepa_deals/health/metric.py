"""A figure for machines as a part of the report tells it; ``web.status.metrics`` writes it for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    GAUGE = auto()
    COUNTER = auto()


@dataclass(frozen=True, slots=True)
class Metric:
    """Values by their labels; ``name`` is without the prefix of this service."""

    name: str
    text: str
    kind: Kind
    labels: tuple[str, ...]
    """The names of the labels."""
    samples: tuple[tuple[tuple[str, ...], float], ...]
    """(values of the labels, value)."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many lasted at most how long, by one label: (its value, buckets with their upper edge, sum)."""

    name: str
    text: str
    label: str
    series: tuple[tuple[str, tuple[tuple[float, float], ...], float], ...]


AnyMetric = Metric | Histogram
Samples = Iterable[tuple[str | tuple[str, ...], float]]


def gauge(name: str, text: str, value: float | None) -> Iterator[AnyMetric]:
    """One value; nothing while it is not known."""
    if value is not None:
        yield Metric(name, text, Kind.GAUGE, (), (((), value),))


def counter(name: str, text: str, value: float) -> Iterator[AnyMetric]:
    """One count."""
    yield Metric(name, text, Kind.COUNTER, (), (((), value),))


def gauges(name: str, text: str, labels: str, samples: Samples) -> Iterator[AnyMetric]:
    """Values by labels, whose names stand in ``labels`` with spaces between."""
    yield Metric(name, text, Kind.GAUGE, tuple(labels.split()), _samples(samples))


def counters(name: str, text: str, labels: str, samples: Samples) -> Iterator[AnyMetric]:
    """Counts by labels."""
    yield Metric(name, text, Kind.COUNTER, tuple(labels.split()), _samples(samples))


def _samples(samples: Samples) -> tuple[tuple[tuple[str, ...], float], ...]:
    return tuple(((of,) if isinstance(of, str) else of, value) for of, value in samples)
