"""The single-flight lock on a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
import redis

from keepa_deals.errors import StoreUnavailableError
from keepa_deals.health.parts import locks
from keepa_deals.locks import SingleFlightLock, read_holder
from keepa_deals.redis_store import Keys, load_script
from tests.support.servers.redis import RedisServer

KEY = "update_recent_deals_lock"
GONE = -2
"""What Redis says of the time to live of a key that is not there."""


def quick(client: redis.Redis, **options: float) -> SingleFlightLock:
    return SingleFlightLock(client, KEY, **{"ttl": 0.4, "heartbeat": 0.1, **options})


def test_one_of_many_threads_gets_the_lock(real_redis: redis.Redis) -> None:
    start = threading.Barrier(20)
    locks = [SingleFlightLock(real_redis, KEY) for _ in range(20)]
    got: list[bool] = []

    def contend(lock: SingleFlightLock) -> None:
        start.wait()
        got.append(lock.acquire())

    threads = [threading.Thread(target=contend, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 19 + [True]
    assert [lock.release() for lock in locks].count(True) == 1


def test_a_held_lock_outlives_its_ttl(real_redis: redis.Redis) -> None:
    with quick(real_redis) as lock:
        assert lock.acquire()
        assert not lock.lost.wait(1.0)  # two and a half TTLs
        assert not quick(real_redis).acquire()


def test_a_released_lock_is_free_at_once(real_redis: redis.Redis) -> None:
    lock = quick(real_redis)
    assert lock.acquire()
    assert lock.release()
    assert read_holder(real_redis, KEY) is None
    assert quick(real_redis, ttl=5, heartbeat=1).acquire()


def test_an_abandoned_lock_frees_itself(real_redis: redis.Redis) -> None:
    real_redis.set(KEY, "elsewhere:1:1:dead", px=100)
    lock = quick(real_redis)
    deadline = threading.Event()
    while not lock.acquire():
        assert not deadline.wait(0.02)
    lock.release()


def test_a_stolen_lock_is_noticed_and_left_to_the_thief(real_redis: redis.Redis) -> None:
    lock = quick(real_redis)
    assert lock.acquire()
    real_redis.set(KEY, "thief:1:1:x")
    assert lock.lost.wait(5)
    assert not lock.release()
    assert real_redis.get(KEY) == "thief:1:1:x"


def test_a_lock_held_too_long_is_given_up(real_redis: redis.Redis) -> None:
    lock = quick(real_redis, max_hold=0.3)
    assert lock.acquire()
    assert lock.lost.wait(5)
    lock.release()


def test_a_redis_that_dies_makes_the_lock_lost_within_its_ttl(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        lock = quick(client)
        assert lock.acquire()
        own_redis.kill()
        assert lock.lost.wait(10)
        assert not lock.release()
        with pytest.raises(StoreUnavailableError, match=KEY):
            lock.acquire()


def test_the_holder_can_be_read_by_everybody(real_redis: redis.Redis) -> None:
    lock = SingleFlightLock(real_redis, KEY)
    assert lock.acquire()
    holder = read_holder(real_redis, KEY)
    lock.release()
    assert holder is not None
    assert holder.owner == lock.owner
    assert lock.owner.startswith(f"{holder.host}:{holder.pid}:")
    assert holder.ttl is not None
    assert 0 < holder.ttl <= 45


def test_a_lock_is_read_as_a_dead_ones_whatever_the_clock_says(real_redis: redis.Redis) -> None:
    owner = SingleFlightLock(real_redis, KEY).owner
    host, pid, _, uuid = owner.rsplit(":", 3)
    for holder, dead in ((int(pid), False), (dead_pid(), True)):
        real_redis.set(KEY, f"{host}:{holder}:1:{uuid}")
        assert {lock.name: lock.dead for lock in locks.read(real_redis, Keys())}[KEY] is dead


def test_a_value_of_another_program_is_shown_as_it_is(real_redis: redis.Redis) -> None:
    real_redis.set(KEY, "locked")
    holder = read_holder(real_redis, KEY)
    assert holder is not None
    assert (holder.owner, holder.ttl, holder.pid) == ("locked", None, None)


def test_two_deployments_on_one_redis_have_their_own_locks() -> None:
    assert Keys().lock(KEY) == KEY
    assert Keys("second").lock(KEY) == f"second:{KEY}"


def test_a_heartbeat_that_could_never_save_the_lock_is_refused(real_redis: redis.Redis) -> None:
    with pytest.raises(ValueError, match="heartbeat"):
        SingleFlightLock(real_redis, KEY, ttl=10, heartbeat=10)


def test_a_lock_of_a_dead_process_of_this_host_is_free_at_once(real_redis: redis.Redis) -> None:
    lock = quick(real_redis)
    real_redis.set(KEY, owner_of(dead_pid(), like=lock.owner))
    assert lock.acquire()
    lock.release()


@pytest.mark.parametrize("whose", ["another namespace's", "a live process's", "another host's"])
def test_a_lock_whose_holder_may_live_is_left_alone(real_redis: redis.Redis, whose: str) -> None:
    lock = quick(real_redis, ttl=30, heartbeat=1)
    pid = os.getppid() if whose == "a live process's" else dead_pid()
    owner = owner_of(pid, like=lock.owner)
    if whose == "another namespace's":
        owner = owner.replace("-", "0-")
    if whose == "another host's":
        owner = f"other-{owner}"
    real_redis.set(KEY, owner)
    assert not lock.acquire()
    assert real_redis.get(KEY) == owner


@pytest.mark.parametrize("whose", ["another namespace's", "another host's", "nobody's that we know"])
def test_a_lock_that_was_not_renewed_is_free_where_its_holder_cannot_be_looked_at(
    real_redis: redis.Redis, whose: str
) -> None:
    lock = quick(real_redis, ttl=30, heartbeat=1)
    owner = owner_of(os.getppid(), like=lock.owner)
    silent = {
        "another namespace's": owner.replace("-", "0-"),
        "another host's": f"other-{owner}",
        "nobody's that we know": "locked",
    }[whose]
    real_redis.set(KEY, silent, ex=21)  # renewed 9 s ago
    assert not lock.acquire()
    real_redis.set(KEY, silent, ex=19)
    assert lock.acquire()
    lock.release()


def test_a_live_holder_of_this_host_has_all_of_its_time(real_redis: redis.Redis) -> None:
    """A busy machine may keep it waiting for longer than others are believed for."""
    lock = quick(real_redis, ttl=30, heartbeat=1)
    real_redis.set(KEY, owner_of(os.getppid(), like=lock.owner), ex=3)
    assert not lock.acquire()


def test_a_stopped_holder_is_not_seen_to_live(real_redis: redis.Redis) -> None:
    lock = quick(real_redis, ttl=30, heartbeat=1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        real_redis.set(KEY, owner_of(holder.pid, like=lock.owner), ex=19)
        assert not lock.acquire()
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            assert lock.acquire()
        finally:
            holder.kill()
    lock.release()


def test_a_lock_that_was_renewed_meanwhile_is_not_taken_from_its_holder(real_redis: redis.Redis) -> None:
    lock = quick(real_redis)
    real_redis.set(KEY, "silent", px=300_000)
    release = load_script(real_redis, "lock_release")
    assert release(keys=[KEY], args=["silent", 200_000]) == 0
    real_redis.pexpire(KEY, 200_000)
    assert release(keys=[KEY], args=["silent", 200_000]) == 1
    assert lock.acquire()
    lock.release()


def owner_of(pid: int, *, like: str) -> str:
    """The owner that another process of this host writes."""
    host, _, started, unique = like.rsplit(":", 3)
    return f"{host}:{pid}:{started}:{unique}"


def dead_pid() -> int:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


@pytest.mark.parametrize("seconds", [1800, None])
def test_a_lock_that_outlasts_our_time_to_live_is_cut_down_to_it(
    real_redis: redis.Redis, seconds: int | None
) -> None:
    real_redis.set(KEY, "elsewhere:1:1:dead", ex=seconds)
    lock = quick(real_redis)
    waited = threading.Event()
    while not lock.acquire():
        left = real_redis.pttl(KEY)
        assert left == GONE or 0 <= left <= 400
        waited.wait(0.02)
    lock.release()


def test_a_live_holder_outlives_whoever_cuts_its_lock_down(real_redis: redis.Redis) -> None:
    with SingleFlightLock(real_redis, KEY, ttl=30, heartbeat=0.1) as holder:
        assert holder.acquire()
        assert not quick(real_redis).acquire()
        assert not holder.lost.wait(0.6)


def test_a_lock_tells_how_long_it_may_still_be_held(real_redis: redis.Redis) -> None:
    lock = quick(real_redis, max_hold=30)
    assert lock.time_left() == 0
    with lock:
        assert lock.acquire()
        assert lock.max_hold == 30
        assert 25 < lock.time_left() <= 30
        real_redis.set(KEY, "another")
        assert lock.lost.wait(5)
        assert lock.time_left() == 0
    assert lock.time_left() == 0


def test_what_is_no_lock_under_its_name_blocks_nobody(real_redis: redis.Redis) -> None:
    real_redis.rpush(KEY, "garbage")
    with quick(real_redis) as lock:
        assert lock.acquire()
