"""A single-flight lock on Redis: short, kept alive by its owner, and honest about having been lost."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from types import TracebackType

import psutil
import redis

from keepa_deals.errors import LockLostError, StoreUnavailableError
from keepa_deals.redis_store import load_script

log = logging.getLogger(__name__)

TTL = 45.0
HEARTBEATS = 3
"""Renewals within a time to live: two may fail before the lock is lost."""
MAX_HOLD = 20 * 60.0
"""No run of ours takes nearly as long: a holder that does is wedged, and its lock goes to the next."""


def process_owner() -> str:
    """``host:pid:start:uuid`` of this process; ``start`` in Unix seconds tells a reused pid from ours."""
    started = int(psutil.Process().create_time())
    return f"{socket.gethostname()}:{os.getpid()}:{started}:{uuid.uuid4().hex}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. ``ttl`` is in seconds and ``None`` for a lock that never expires.

    ``host``, ``pid`` and ``started`` are ``None`` when the value was not written by us.
    """

    owner: str
    ttl: float | None
    host: str | None = None
    pid: int | None = None
    started: int | None = None


def read_holder(client: redis.Redis, key: str) -> Holder | None:
    """The holder of the lock ``key``; ``None`` when it is free."""
    pipe = client.pipeline(transaction=False)
    pipe.get(key)
    pipe.pttl(key)
    owner, ttl = pipe.execute()
    if owner is None:
        return None
    left = ttl / 1000 if ttl >= 0 else None
    try:
        host, pid, started, _ = str(owner).rsplit(":", 3)
        return Holder(owner, left, host, int(pid), int(started))
    except ValueError:
        return Holder(owner, left)


class SingleFlightLock:
    """A lock that one process at a time holds, renewed three times in each ``ttl`` while it is held.

    A killed holder blocks the next for at most ``ttl`` seconds, and so does a lock that somebody else
    left with a longer time, or with none: whoever finds it taken cuts it down to ``ttl``, which its
    holder, if it lives, renews in time. ``lost`` is set as soon as the lock
    may be another's: its key changed, Redis could not be reached in time, or ``max_hold`` has passed.
    A process that is paused past its TTL learns it late, so what it writes must be fenced as well.
    """

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        *,
        ttl: float = TTL,
        heartbeat: float | None = None,
        max_hold: float = MAX_HOLD,
    ) -> None:
        heartbeat = ttl / HEARTBEATS if heartbeat is None else heartbeat
        if not 0 < heartbeat < ttl:
            raise ValueError(f"heartbeat ({heartbeat} s) must be shorter than ttl ({ttl} s)")
        self._key = key
        self._ttl = ttl
        self._heartbeat = heartbeat
        self._max_hold = max_hold
        self._take = load_script(client, "lock_acquire")
        self._extend = load_script(client, "lock_extend")
        self._delete = load_script(client, "lock_release")
        self._released = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = threading.Event()
        self.owner = process_owner()

    def acquire(self) -> bool:
        """Whether the lock is ours now. A ``StoreUnavailableError`` when Redis does not answer."""
        since = time.monotonic()
        try:
            taken = self._take(keys=[self._key], args=[self.owner, int(self._ttl * 1000)])
        except redis.RedisError as error:
            raise StoreUnavailableError(f"{self._key}: Redis does not answer: {error}") from error
        if not taken:
            return False
        self._released.clear()
        self.lost.clear()
        self._thread = threading.Thread(target=self._keep, args=(since,), name=self._key, daemon=True)
        self._thread.start()
        return True

    def release(self) -> bool:
        """Whether the lock was still ours and is free now; Redis being away is no error: it expires."""
        self._released.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        try:
            return bool(self._delete(keys=[self._key], args=[self.owner]))
        except redis.RedisError as error:
            log.warning("%s: not released, it expires by itself: %s", self._key, error)
            return False

    def check(self) -> None:
        """Return while the lock is ours; a ``LockLostError`` otherwise."""
        if self.lost.is_set():
            raise LockLostError(f"{self._key} went to another owner")

    def __enter__(self) -> SingleFlightLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _keep(self, since: float) -> None:
        """Renews the lock until it is released; ``since`` is the moment from which it surely lasts a TTL."""
        acquired = since
        while not self._released.wait(self._pause(since)):
            if time.monotonic() - acquired >= self._max_hold:
                return self._lose(f"held for more than {self._max_hold:.0f} s")
            asked = time.monotonic()
            try:
                if not self._extend(keys=[self._key], args=[self.owner, int(self._ttl * 1000)]):
                    return self._lose("it expired or was taken")
                since = asked
            except redis.RedisError as error:
                if time.monotonic() - since >= self._ttl:
                    return self._lose(f"Redis could not be reached for {self._ttl:.0f} s: {error}")
                log.info("%s: not renewed yet: %s", self._key, error)
        return None

    def _pause(self, since: float) -> float:
        """Seconds until the next renewal: sooner after a failed one, never past the end of the TTL."""
        late = time.monotonic() - since
        if late < self._heartbeat:
            return self._heartbeat - late
        return max(0.0, min(self._heartbeat / 10, self._ttl - late))

    def _lose(self, why: str) -> None:
        self.lost.set()
        log.error("%s lost: %s", self._key, why)
