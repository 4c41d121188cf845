"""A single-flight lock on Redis: short, kept alive by its owner, and honest about having been lost."""

from __future__ import annotations

import functools
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil
import redis

from keepa_deals.errors import StoreUnavailableError
from keepa_deals.redis_store import load_script

log = logging.getLogger(__name__)

TTL = 45.0
HEARTBEATS = 15
"""Renewals within a time to live."""
SILENCE = 1 / 3
"""Of a time to live: a lock that was not renewed for so long is free, unless its holder is seen to live. A
process of this host that a busy machine keeps waiting has all of its time."""
MAX_HOLD = 20 * 60.0
"""No run of ours takes nearly as long: a holder that does is wedged, and its lock goes to the next."""


def process_owner() -> str:
    """``host:pid:start:uuid`` of this process; ``start``, in Unix seconds, is for people.

    Before the uuid stands the namespace in which the pid counts: containers may share a host's name.
    """
    started = int(psutil.Process().create_time())
    return f"{socket.gethostname()}:{os.getpid()}:{started}:{_pid_namespace()}-{uuid.uuid4().hex}"


@functools.cache
def _pid_namespace() -> str:
    """The number of the namespace that our pids belong to; "0" where there is no such thing."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return "0"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. ``ttl`` is in seconds and ``None`` for a lock that never expires.

    ``host`` and ``pid`` are ``None`` when the value was not written by us.
    """

    owner: str
    ttl: float | None
    host: str | None = None
    pid: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether the holder's pid counts among the processes that we see."""
        namespace = self.owner.rpartition(":")[2].partition("-")[0]
        return self.host == socket.gethostname() and namespace == _pid_namespace()

    @property
    def is_seen_alive(self) -> bool:
        """Whether the holder is a process among those that we see, and may go on: it is not stopped."""
        if self.pid is None or not self.is_here:
            return False
        try:
            gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD, psutil.STATUS_STOPPED)
            return psutil.Process(self.pid).status() not in gone
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:
            return True

    @property
    def is_dead(self) -> bool:
        """Whether the holder was a process among those that we see, and is gone for sure.

        A pid that somebody else has got since does not count: such a lock ends by its time to live.
        """
        if self.pid is None or not self.is_here:
            return False
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


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
        host, pid, _, _ = str(owner).rsplit(":", 3)
        return Holder(owner, left, host, int(pid))
    except ValueError:
        return Holder(owner, left)


class SingleFlightLock:
    """A lock that one process at a time holds, renewed fifteen times in each ``ttl`` while it is held.

    A killed holder blocks the next for no time on the same host, and else for a third of ``ttl`` without a
    renewal. A live one on the same host has all of ``ttl``. A lock that somebody left with a longer time, or
    with none, is cut down to ``ttl`` by whoever finds it taken; its holder, if it lives, renews it in time.
    ``lost`` is set as soon as the lock may be another's: its key changed, Redis could not be reached in time,
    or ``max_hold`` has passed.
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
        self._client = client
        self._key = key
        self._ttl = ttl
        self._heartbeat = heartbeat
        self._max_hold = max_hold
        self._take = load_script(client, "lock_acquire")
        self._extend = load_script(client, "lock_extend")
        self._delete = load_script(client, "lock_release")
        self._since: float | None = None
        self._released = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = threading.Event()
        self.owner = process_owner()

    @property
    def max_hold(self) -> float:
        """Seconds after which the lock is given up, whatever its holder does."""
        return self._max_hold

    def time_left(self) -> float:
        """Seconds that the lock may still be held: what a run waits for must come sooner. 0 when it is not.

        It is lost at the first renewal after they are over.
        """
        if self._since is None or self.lost.is_set():
            return 0.0
        return max(0.0, self._max_hold - (time.monotonic() - self._since))

    def acquire(self) -> bool:
        """Whether the lock is ours now. A ``StoreUnavailableError`` when Redis does not answer."""
        since = time.monotonic()
        try:
            taken = self._try() or (self._release_lost_holder() and self._try())
        except redis.RedisError as error:
            raise StoreUnavailableError(f"{self._key}: Redis does not answer: {error}") from error
        if not taken:
            return False
        self._since = since
        self._released.clear()
        self.lost.clear()
        self._thread = threading.Thread(target=self._keep, args=(since,), name=self._key, daemon=True)
        self._thread.start()
        return True

    def _try(self) -> bool:
        return bool(self._take(keys=[self._key], args=[self.owner, int(self._ttl * 1000)]))

    def _release_lost_holder(self) -> bool:
        """Whether the lock was that of a dead process, or of one that is silent and not seen to live; it is
        free now."""
        holder = read_holder(self._client, self._key)
        if holder is None:
            return False
        if holder.is_dead:
            log.warning("%s: its holder %s is dead; it is free again", self._key, holder.owner)
            return bool(self._delete(keys=[self._key], args=[holder.owner]))
        heard_of = self._ttl * (1 - SILENCE)
        if holder.ttl is None or holder.ttl > heard_of or holder.is_seen_alive:
            return False
        log.warning("%s: %s has not renewed it; it is free again", self._key, holder.owner)
        return bool(self._delete(keys=[self._key], args=[holder.owner, int(heard_of * 1000)]))

    def release(self) -> bool:
        """Whether the lock was still ours and is free now; Redis being away is no error: it expires."""
        self._since = None
        self._released.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        try:
            return bool(self._delete(keys=[self._key], args=[self.owner]))
        except redis.RedisError as error:
            log.warning("%s: not released, it expires by itself: %s", self._key, error)
            return False

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
