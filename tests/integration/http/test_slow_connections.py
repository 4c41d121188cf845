"""Two hundred slow connections to the real server while pages are read, and a server that goes deaf."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from tests.support.deal_rows import fill_deals
from tests.support.servers.dashboard import Dashboard, dashboard
from tests.support.slow_connections import slow_connections

EACH = 40
"""Connections of each of the five kinds."""
pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with deals enough that an export is no small answer."""
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    migrate.upgrade(database)
    fill_deals(database.engine, 3000, datetime.now(UTC))
    database.close()
    return tmp_path


def seconds_for(address: str) -> float:
    began = time.monotonic()
    with urllib.request.urlopen(address, timeout=30) as answer:
        answer.read()
    return time.monotonic() - began


def wait_for(holds: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_pages_and_the_probe_are_served_beside_two_hundred_slow_connections(home: Path) -> None:
    with dashboard(home) as here:
        seconds_for(f"{here}/")
        with slow_connections(here, idle=EACH, headers=EACH, body=EACH, unread=EACH, many=EACH) as end:
            ends = time.monotonic() + 45  # longer than any connection may last
            pages, probes = [], []
            while time.monotonic() < ends:
                pages.append(seconds_for(f"{here}/"))
                probes.append(seconds_for(f"{here}/healthz"))
                time.sleep(0.5)  # a reader, not a flood
            told = end()
        memory = sum(process.memory_info().rss for process in here.workers())
    assert len(pages) == len(probes) > 3, "each came within its time-out; how fast is a benchmark's matter"
    assert memory < 300 << 20
    for kind, of_kind in told["kinds"].items():  # type: ignore[attr-defined]
        assert of_kind["ended"] >= EACH or kind in ("many", "unread"), told
        assert of_kind["lasted_most"] < 60, told


@pytest.mark.nightly
def test_more_connections_than_there_may_be_shut_nobody_out(home: Path) -> None:
    with dashboard(home) as here, slow_connections(here, idle=1100) as end:
        ends = time.monotonic() + 45  # longer than any connection may last
        while time.monotonic() < ends:
            seconds_for(f"{here}/healthz")  # each within its time-out
            seconds_for(f"{here}/")
        told = end()
    assert told["kinds"]["idle"]["ended"] >= 100, told  # type: ignore[index]


def test_a_reload_drops_no_request_of_an_open_connection(home: Path) -> None:
    failures: list[str] = []
    enough = threading.Event()

    def read(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not enough.is_set():
            try:
                connection.request("GET", "/api/deals?limit=1")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    failures.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                connection.close()
        connection.close()

    with dashboard(home) as here:
        readers = [threading.Thread(target=read, args=(here.port,)) for _ in range(4)]
        for reader in readers:
            reader.start()
        for _ in range(2):
            old = [process.pid for process in here.workers()]
            os.kill(here.process.pid, signal.SIGHUP)
            wait_for(lambda old=old: here.workers() and not {p.pid for p in here.workers()} & set(old))
        enough.set()
        for reader in readers:
            reader.join()
    assert failures == []


@pytest.mark.nightly
def test_a_worker_that_hears_nothing_is_replaced(home: Path) -> None:
    with dashboard(home) as here:
        (worker,) = here.workers()
        worker.suspend()
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            urllib.request.urlopen(f"{here}/healthz", timeout=2)
        wait_for(lambda: not psutil.pid_exists(worker.pid))
        assert seconds_for(f"{here}/healthz") < 20


def test_a_stop_answers_what_it_was_asked(home: Path) -> None:
    with dashboard(home) as here:
        connection = http.client.HTTPConnection("127.0.0.1", here.port, timeout=30)
        connection.request("GET", "/export.json?status=all")
        answer = connection.getresponse()  # its head: the rest is on its way
        here.process.terminate()
        assert answer.read().endswith(b"]}\n")
        here.process.wait(timeout=60)
        assert isinstance(here, Dashboard)
