"""What all processes remember of Keepa between calls, in Redis: malformed ASINs, and until when to wait.

``<prefix>:keepa:rejected`` is a sorted set of ASINs by the time at which Keepa rejected them;
``<prefix>:keepa:pause`` stands for as long as Keepa wants no call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TypeVar

import redis

from keepa_deals.keepa.call_memory import FORGOTTEN_AFTER, MAX_REJECTED, LocalMemory
from keepa_deals.redis_store import Keys

log = logging.getLogger(__name__)
T = TypeVar("T")


class SharedMemory:
    """A ``keepa.call_memory.Memory`` that outlasts the process; without Redis, one of the process alone."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys
        self._local = LocalMemory()

    def rejected(self) -> Collection[str]:
        def ask() -> set[str]:
            seconds, _ = self._redis.time()
            since = seconds - int(FORGOTTEN_AFTER)
            return set(map(str, self._redis.zrangebyscore(self._keys.rejected_asins, since, "+inf")))

        nothing: set[str] = set()
        return {*self._local.rejected(), *self._or_else(ask, nothing)}

    def reject(self, asin: str) -> None:
        self._local.reject(asin)

        def note() -> None:
            seconds, _ = self._redis.time()
            pipe = self._redis.pipeline(transaction=False)
            pipe.zadd(self._keys.rejected_asins, {asin: seconds})
            pipe.zremrangebyrank(self._keys.rejected_asins, 0, -MAX_REJECTED - 1)
            pipe.expire(self._keys.rejected_asins, int(FORGOTTEN_AFTER))
            pipe.execute()

        self._or_else(note, None)

    def pause(self, seconds: float) -> None:
        self._local.pause(seconds)
        self._or_else(lambda: self._redis.set(self._keys.pause, "429", px=max(1, int(seconds * 1000))), None)

    def paused(self) -> float:
        left = self._or_else(lambda: self._redis.pttl(self._keys.pause), 0)
        return max(self._local.paused(), left / 1000)

    def _or_else(self, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except redis.RedisError as error:
            log.debug("Redis is away, so the memory of Keepa is this process's own: %s", error)
            return otherwise
