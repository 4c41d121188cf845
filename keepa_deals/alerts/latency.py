"""How long messages took from their cause to the channel's word, counted in Redis for all processes."""

from __future__ import annotations

import contextlib

import redis

from keepa_deals.redis_store import Keys

EDGES_MS = (500, 1000, 2000, 5000, 15_000, 60_000, 300_000, 3_600_000)
"""Upper edges of what is counted; what took longer is under ``inf``."""
TOOK_LE, TOOK_MS = "notify_le", "notify_ms"
"""Fields of the counters, by kind of channel: ``notify_le|ntfy|1000``, ``notify_ms|ntfy``."""


class Counts:
    """Writes them; Redis being away costs the count."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def note(self, kind: str, seconds: float) -> None:
        """Count a message that a channel has taken."""
        took = round(seconds * 1000)
        edge = next((str(edge) for edge in EDGES_MS if took <= edge), "inf")
        with contextlib.suppress(redis.RedisError), self._client.pipeline(transaction=False) as pipe:
            pipe.hincrby(self._keys.metrics, f"{TOOK_LE}|{kind}|{edge}")
            pipe.hincrby(self._keys.metrics, f"{TOOK_MS}|{kind}", took)
            pipe.execute()

    def looked(self, now_ms: int) -> None:
        """Note that the notifier is at work."""
        with contextlib.suppress(redis.RedisError):
            self._client.set(self._keys.notifier_looked, now_ms)
