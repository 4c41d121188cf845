"""Strangers on the same host: an unrelated Celery with its beat, and another user's process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.servers.redis import RedisServer

_STRANGER = """\
from celery import Celery
from redis import Redis

app = Celery("stranger", broker={url!r})
app.conf.beat_schedule = {{"work": {{"task": "work", "schedule": 0.5}}}}
app.conf.task_ignore_result = True


@app.task(name="work")
def work():
    Redis.from_url({url!r}).incr("done")
"""


class Neighbours:
    """What lives beside us; :meth:`harmed` says who no longer does."""

    def __init__(self, redis: RedisServer, processes: dict[str, psutil.Popen]) -> None:
        self._redis = redis
        self._processes = processes

    @property
    def somebody(self) -> int:
        """The pid of another user's process (of ours, if we can't make one)."""
        return int(self._processes["sleeper"].pid)

    def harmed(self, patience: float = 20) -> Sequence[str]:
        """The strangers that died, or whose work stands still."""
        words = [f"{name} died" for name, p in self._processes.items() if p.poll() is not None]
        with self._redis.client() as client:
            before, deadline = int(client.get("done") or 0), time.monotonic() + patience
            while int(client.get("done") or 0) <= before:
                if time.monotonic() > deadline:
                    return [*words, "the other Celery no longer works"]
                time.sleep(0.05)
        return words


@contextmanager
def living_beside(folder: Path) -> Iterator[Neighbours]:
    """Start the strangers, with their files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    redis = RedisServer(folder)
    redis.start()
    (folder / "stranger.py").write_text(_STRANGER.format(url=redis.url))
    celery = [sys.executable, "-m", "celery", "-A", "stranger"]
    user = "nobody" if os.geteuid() == 0 else None
    processes: dict[str, psutil.Popen] = {}
    try:
        with (folder / "stranger.log").open("ab") as log:
            for name, arguments in {"worker": ["worker", "-P", "solo"], "beat": ["beat"]}.items():
                processes[name] = psutil.Popen([*celery, *arguments], cwd=folder, stdout=log, stderr=log)
        processes["sleeper"] = psutil.Popen(["sleep", "1000000"], user=user)
        yield Neighbours(redis, processes)
    finally:
        for process in processes.values():
            process.kill()  # each is one process, and what it was at is nothing to lose
        psutil.wait_procs(list(processes.values()))
        redis.stop()
