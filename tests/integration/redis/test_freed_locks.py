"""Whose locks a stop frees: its own and zombies', never those of a run on another machine or deployment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import redis

from keepa_deals.deployment.home import Home
from keepa_deals.locks import process_owner
from keepa_deals.ops.stop import free_locks
from tests.support.servers.redis import RedisServer

KEY = "update_recent_deals_lock"


def owner(**changes: object) -> str:
    """The owner that this process writes into a lock, with another host, pid, start or namespace."""
    host, pid, started, unique = process_owner().rsplit(":", 3)
    namespace, _, uuid = unique.partition("-")
    parts = {"host": host, "pid": pid, "started": started, "namespace": namespace, **changes}
    return "{host}:{pid}:{started}:{namespace}-".format(**parts) + uuid


def gone() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    home.runtime.write_text(f"REDIS_URL='{redis_server.url}'\n")
    return home


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "hostB"}, "on another machine"),
        ({"namespace": "1"}, "on another machine"),  # a container with the name of this host
        ({"pid": os.getpid()}, "another deployment's pid"),
        ({"pid": os.getpid(), "started": 1}, "another deployment's pid"),  # the clock was set meanwhile
    ],
    ids=["another host", "another container", "another deployment", "after a clock was set"],
)
def test_the_lock_of_a_run_that_is_not_ours_stays(
    real_redis: redis.Redis, home: Home, changes: dict[str, object], words: str
) -> None:
    value = owner(**changes)
    real_redis.set(KEY, value, ex=45)
    said: list[str] = []
    free_locks(home, said.append)
    assert real_redis.get(KEY) == value
    assert words in said[0]
    assert "ends by itself within 45 s" in said[0]


@pytest.mark.parametrize("seconds", [1800, None])
@pytest.mark.parametrize("host", ["hostB", None])
def test_a_lock_that_lasts_longer_than_any_of_ours_is_nobodys(
    real_redis: redis.Redis, home: Home, host: str | None, seconds: int | None
) -> None:
    real_redis.set(KEY, owner(host=host) if host else owner(), ex=seconds)
    free_locks(home, lambda text: None)
    assert not real_redis.exists(KEY)


@pytest.mark.parametrize("whose", ["a dead one's", "nobody's that we know"])
def test_what_holds_nothing_any_more_is_freed(real_redis: redis.Redis, home: Home, whose: str) -> None:
    value = owner(pid=gone()) if whose == "a dead one's" else "locked"
    real_redis.set(KEY, value, ex=45)
    said: list[str] = []
    free_locks(home, said.append)
    assert not real_redis.exists(KEY)
    assert f"deleted {KEY} of {value}" in said[0]
