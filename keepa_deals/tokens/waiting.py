"""How a request waits: asleep on its own list in Redis, until its tick comes or a settlement wakes it."""

from __future__ import annotations

from collections.abc import Callable

import redis

from keepa_deals.clock import Clock
from keepa_deals.redis_store import Keys

Sleeper = Callable[[str, float], None]
"""Returns after so many seconds, or sooner when the list with that key gets an element."""

STOP_CHECK = 0.5
"""Seconds between two looks at the clock, which may say that the process is asked to end."""


class QueueSleeper:
    """Sleeps on the list of a request that waits in the queue of ``account``."""

    def __init__(
        self, client: redis.Redis, account: str, keys: Keys, clock: Clock, tick_seconds: float
    ) -> None:
        self._redis = client
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._waiting_key = keys.tokens(account, "waiting")
        self._wake_prefix = keys.tokens(account, "wake:")

    def wait_until_notified(self, key: str, seconds: float) -> None:
        """Return after ``seconds``, or when a settlement pushes onto the request's list ``key``.

        Once a tick it looks whether its place in the queue is still there: a Redis that was flushed or
        replaced wakes nobody.
        """
        now = self._clock.monotonic()
        deadline, look = now + seconds, now + self._tick_seconds
        while (left := deadline - now) > 0:
            self._clock.sleep(0)  # a clock that is asked to stop raises here
            if self._redis.blpop([key], timeout=max(0.01, min(left, STOP_CHECK))):
                return
            now = self._clock.monotonic()
            if now >= look:
                look = now + self._tick_seconds
                if not self._redis.hexists(self._waiting_key, key.removeprefix(self._wake_prefix)):
                    return
