"""Beat's scheduler: everything is due at the start, and each tick leaves a heartbeat in Redis."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

import redis
from celery import beat

from keepa_deals import settings
from keepa_deals.deployment.beat_lock import hold
from keepa_deals.redis_store import Keys, connect_probe
from keepa_deals.tokens.counters import COUNTING_SINCE

FULL = 100
"""Messages in a queue: far more than a worker that listens leaves there, and than the diagnosis must see."""

log = logging.getLogger(__name__)


class HeartbeatScheduler(beat.Scheduler):
    """Celery's in-memory scheduler: nothing on disk that a crash could corrupt.

    ``<prefix>:beat:last_tick`` holds the Unix milliseconds of the last tick, at most
    ``beat_max_loop_interval`` apart; the first one on an empty Redis also notes since when it counts.
    A broker that is away costs one line a task, not a traceback.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        configured = settings.load()
        hold(configured.keepa_deals_home)
        self._redis = connect_probe(configured)
        self._keys = Keys(configured.redis_key_prefix)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        for entry in self.schedule.values():
            entry.last_run_at = entry.default_now() - timedelta(days=1)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        self._beat()
        return float(super().tick(*args, **kwargs))

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        if self._is_full(entry.options["queue"]):
            log.warning("%s: not sent, %d messages wait in its queue", entry.name, FULL)
            return
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except beat.SchedulingError as error:
            log.warning("not sent, the next interval tries again: %s", error)

    def _is_full(self, queue: str) -> bool:
        """Whether nobody has listened for long: what is sent now would only pile up in Redis."""
        try:
            return self._redis.llen(self._keys.queue(queue)) >= FULL
        except redis.RedisError:
            return False

    def _beat(self) -> None:
        now_ms = int(time.time() * 1000)
        pipe = self._redis.pipeline(transaction=False)
        pipe.set(self._keys.beat_last_tick, now_ms)
        pipe.hsetnx(self._keys.metrics, COUNTING_SINCE, now_ms)
        try:
            pipe.execute()
        except redis.RedisError as error:
            log.warning("no heartbeat, Redis is away: %s", error)
