"""How often something may be done: counted beforehand, in Redis for all dashboards and in this process.

A count that is looked at first and taken afterwards lets through whoever comes meanwhile. So each is taken
beforehand, in one step, and given back where it turns out not to count.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, RedisStorage, Storage
from redis.exceptions import RedisError

from keepa_deals.errors import KeepaDealsError, SettingsError
from keepa_deals.formats import counted
from keepa_deals.redis_store import connect_probe
from keepa_deals.settings import Settings


class ThrottledError(KeepaDealsError):
    """It was done too often. ``retry_after`` is in seconds; the text names what, and the limit."""

    def __init__(self, what: str, limit: RateLimitItem, retry_after: int) -> None:
        super().__init__(f"Too many {what} ({limit}). Wait {counted(retry_after, 'second')}, then try again.")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Rule:
    """At most ``limits`` ("5 per minute; 30 per hour") of what carries the same ``key``."""

    limits: str
    key: tuple[str, ...]


class Throttle:
    """Counts by fixed windows. While Redis is away the counts of this process go on alone."""

    def __init__(self, shared: Storage | None = None) -> None:
        self._shared = shared
        self._own = MemoryStorage()
        self._one_at_a_time = threading.Lock()  # the library's own counts lose some to threads

    def take(self, what: str, rules: Sequence[Rule]) -> Taken:
        """Count one under every rule; a ``ThrottledError``, and nothing counted, when one is exhausted.

        ``what`` is counted, in words: "wrong passwords".
        """
        taken = Taken(self)
        for rule in rules:
            for item in parse_many(rule.limits):
                key = item.key_for(*rule.key)
                used = self._add(item, key)
                taken.counts.append((item, key))
                if used > item.amount:
                    wait = self._seconds_left(item, key)
                    taken.give_back()
                    raise ThrottledError(what, item, wait)
        return taken

    def _add(self, item: RateLimitItem, key: str) -> int:
        """How many there are in the window, this one included, by whichever count knows of more."""
        with self._one_at_a_time:
            own = self._own.incr(key, item.get_expiry())
        shared = 0
        with _without_redis():
            shared = self._shared.incr(key, item.get_expiry()) if self._shared else 0
        return max(own, shared)

    def remove(self, item: RateLimitItem, key: str) -> None:
        """Take one out of the window again."""
        with self._one_at_a_time:
            self._own.decr(key)
        with _without_redis():
            if self._shared and self._shared.get(key) > 0:
                self._shared.incr(key, item.get_expiry(), -1)

    def _seconds_left(self, item: RateLimitItem, key: str) -> int:
        """Until the window ends."""
        ends = self._own.get_expiry(key)
        with _without_redis():
            ends = max(ends, self._shared.get_expiry(key)) if self._shared else ends
        return min(item.get_expiry(), max(1, math.ceil(ends - time.time())))


class Taken:
    """What one attempt was counted under."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self.counts: list[tuple[RateLimitItem, str]] = []

    def give_back(self) -> None:
        """The attempt does not count."""
        while self.counts:
            self._throttle.remove(*self.counts.pop())


def build(settings: Settings) -> Throttle:
    """The counts of a deployment; connects to nothing yet."""
    try:
        pool = connect_probe(settings).connection_pool
    except SettingsError:  # no Redis at all: a dashboard on its own
        return Throttle()
    return Throttle(
        RedisStorage("redis://", connection_pool=pool, key_prefix=f"{settings.redis_key_prefix}:throttle")
    )


@contextmanager
def _without_redis() -> Iterator[None]:
    """What is counted while Redis does not answer is counted in this process only."""
    try:
        yield
    except RedisError:
        return
