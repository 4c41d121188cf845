"""A real worker whose queue holds what strangers put there: each is dropped once, and the worker goes on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepa_deals.redis_store import who_may_write
from keepa_deals.settings import Settings
from tests.support.nightly import amount
from tests.support.servers.redis import RedisServer
from tests.unit.worker.test_messages import NONSENSE, anything, message, places

QUEUE = "keepa_deals:upsert"
PATIENCE = 400.0
"""Seconds: a machine at work takes its time to start a worker."""


class Worker:
    """The worker of the queue ``upsert``, and what it says."""

    def __init__(self, home: Path, server: RedisServer) -> None:
        self.redis = server.client()
        self.log = home / "worker.log"
        environment = {
            **os.environ,
            "KEEPA_DEALS_HOME": str(home),
            "KEEPA_API_KEY": "k" * 64,
            "KEEPA_API_URL": "http://127.0.0.1:1",
            "REDIS_URL": server.url,
        }
        command = [sys.executable, "-m", "celery", "-A", "keepa_deals.celery_app", "worker"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-Q", "upsert", "-c", "1", "-l", "INFO", "--without-gossip", "--without-mingle"],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def put(self, *messages: object) -> None:
        for one in messages:
            self.redis.lpush(QUEUE, one if isinstance(one, bytes) else json.dumps(one))

    def wait_for(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, f"the worker died\n{self.said()[-3000:]}"
            assert time.monotonic() < deadline, f"{what}\n{self.said()[-3000:]}"
            time.sleep(0.05)

    def takes_one_of_ours(self) -> None:
        """Returns when a message of ours was received after everything before it."""
        mine = str(uuid.uuid4())
        self.put(message(headers__id=mine, headers__expires=None, properties__delivery_tag=mine))
        self.wait_for(lambda: f"[{mine}] received" in self.said(), "it takes no message any more")

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def dropped(self, queue: str = "upsert") -> int:
        return int(self.redis.hget("keepa_deals:metrics", f"messages_dropped|{queue}") or 0)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("messages")
    server = RedisServer(folder)
    server.start()
    with server.client() as client:  # as if a worker had died over them long ago
        client.hset("keepa_deals:unacked", mapping={"tag": "garbage", "other": json.dumps(["no", "tuple"])})
        client.zadd("keepa_deals:unacked_index", {"tag": 1.0, "other": 1.0, "gone": 1.0})
    home = folder / "home"
    home.mkdir()
    found = Worker(home, server)
    try:
        found.takes_one_of_ours()
        yield found
    finally:
        found.process.terminate()
        found.process.wait(timeout=60)
        found.redis.close()
        server.stop()


def test_each_kind_of_nonsense_is_dropped_counted_and_logged_once(worker: Worker) -> None:
    before, lines = worker.dropped(), worker.said().count("none of ours")
    raw = [raw for raw, _ in NONSENSE.values()]
    worker.put(
        *raw, b"\xff\xfe", b"", b"{", b"[" * 100_000, b'{"headers": {"__type__": "datetime", "__value__": 5}}'
    )
    worker.takes_one_of_ours()
    assert worker.dropped() - before == len(raw) + 5
    assert worker.said().count("none of ours") - lines == len(raw) + 5
    last = int(worker.redis.hget("keepa_deals:metrics", "messages_dropped_at") or 0) / 1000
    assert abs(last - time.time()) < 600
    assert not re.search(r"Traceback|CRITICAL|Unrecoverable", worker.said())


def test_what_was_taken_and_cannot_be_put_back_is_dropped(worker: Worker) -> None:
    worker.wait_for(lambda: not worker.redis.exists("keepa_deals:unacked_index"), "it is tried for ever")
    assert worker.dropped("unacked") >= 2


def test_a_queues_name_under_which_no_queue_stands_is_cleared(worker: Worker) -> None:
    worker.redis.delete(QUEUE)
    worker.redis.set(QUEUE, "garbage")
    worker.wait_for(lambda: not worker.redis.exists(QUEUE), "the worker cannot read its queue")
    worker.takes_one_of_ours()


spoilt = st.dictionaries(places, anything, min_size=1, max_size=3)


def test_the_worker_outlives_whatever_is_in_its_queue(worker: Worker) -> None:
    pid, seen = worker.process.pid, 0
    batches = amount(15, at_night=60)

    @settings(max_examples=batches, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.binary(max_size=40) | anything | spoilt, min_size=5, max_size=20))
    def flood(batch: list[Any]) -> None:
        nonlocal seen
        for raw in batch:
            spoiled = _spoiled(raw) if isinstance(raw, dict) and raw.keys() & PLACES else raw
            worker.put(spoiled)
            seen += 1
        worker.wait_for(lambda: not worker.redis.exists(QUEUE), "its queue is not worked off")

    flood()
    worker.takes_one_of_ours()
    assert seen > 5 * batches
    assert worker.process.pid == pid
    assert worker.process.poll() is None
    assert not re.search(r"Traceback|CRITICAL|Unrecoverable", worker.said())


PLACES = {"body", "content-type", "content-encoding", "headers", "properties"} | {
    f"{part}__{name}" for part in ("headers", "properties") for name in message()[part]
}


def _spoiled(changes: dict[str, Any]) -> dict[str, Any]:
    whole = message()
    for place, value in sorted(changes.items()):
        part, _, field = place.partition("__")
        if field and isinstance(whole[part], dict):
            whole[part][field] = value
        elif not field:
            whole[part] = value
    return whole


def test_only_redis_without_a_password_over_tcp_is_open() -> None:
    def who(url: str) -> str | None:
        return who_may_write(Settings(_env_file=None, redis_url=url))  # type: ignore[call-arg,arg-type]

    assert who("redis://redis.example:6379/0") == "everybody who reaches redis.example"
    assert who("redis://127.0.0.1:6379/0") == who("redis://localhost/1") == "everybody on this machine"
    assert who("redis://[::1]:6379") == "everybody on this machine"
    for safe in (
        "redis://:secret@h:1/0",
        "redis://u:p@h/0",
        "redis://h?password=p",
        "unix:///run/r.sock?db=0",
    ):
        assert who(safe) is None
