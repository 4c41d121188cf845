"""A word to the notifier that there is something to do. It is no message: what is to be done is in the
database, and a word that is lost costs the time until the notifier looks anyway."""

from __future__ import annotations

import contextlib

import redis

from keepa_deals.redis_store import Keys


class NotifierWake:
    """A list of at most one word, so that one who says it before the other listens is heard."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.notifier_wake

    def wake(self) -> None:
        with contextlib.suppress(redis.RedisError), self._client.pipeline(transaction=True) as pipe:
            pipe.delete(self._key)
            pipe.rpush(self._key, 1)
            pipe.execute()

    def wait(self, seconds: float) -> bool:
        """Whether somebody said it within so many seconds; a ``RedisError`` when nobody could."""
        return self._client.blpop([self._key], timeout=seconds) is not None
