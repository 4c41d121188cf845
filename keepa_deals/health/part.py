"""A part of the service's state: how it is read, and how machines are told of it. One module a part.

:data:`keepa_deals.health.parts.PARTS` is the one list of them. ``/api/status``, ``/metrics`` and the report
only go through that list, so that a new part is its module and its line there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from redis import Redis
from sqlalchemy import Engine

from keepa_deals.db.soundness import Unreadable
from keepa_deals.health.metric import AnyMetric
from keepa_deals.health.probing import Reading
from keepa_deals.redis_store import Keys
from keepa_deals.settings import Settings

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where parts read; a connection is made by the first part that asks for it."""

    settings: Settings
    now: datetime
    redis: Callable[[], Redis]
    engine: Callable[[], Engine]
    behind_after: timedelta
    """The upserter is behind when its last success is longer ago than this."""

    @property
    def keys(self) -> Keys:
        return Keys(self.settings.redis_key_prefix)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the parts read at one moment."""

    taken_at: datetime
    readings: Mapping[str, Reading[Any]]
    """By the part's name; a value, or the reason why there is none."""
    behind_after: timedelta = timedelta(minutes=10)
    unreadable: Unreadable | None = None
    """The deals that the dashboard leaves out; ``None`` where nobody has looked."""

    def reading(self, part: Part[T]) -> Reading[T]:
        """What a part read."""
        return self.readings.get(part.name, Reading(error="was not read"))

    def value(self, part: Part[T]) -> T | None:
        """What a part read; ``None`` when it could not."""
        return self.reading(part).value


def _no_json(_: Snapshot) -> Json:
    return {}


def _no_metrics(_: Snapshot) -> Iterable[AnyMetric]:
    return ()


@dataclass(frozen=True)  # no slots: typing notes the type argument on the instance
class Part(Generic[T]):
    """One part. ``read`` is ``None`` for one that only shows what others read."""

    name: str
    read: Callable[[Sources], T] | None = field(repr=False)
    to_json: Callable[[Snapshot], Json] = field(default=_no_json, repr=False)
    """Its keys of ``/api/status``: what could not be read is ``null``."""
    metrics: Callable[[Snapshot], Iterable[AnyMetric]] = field(default=_no_metrics, repr=False)
