"""A dead-man's switch hears of each outcome, delays nobody, and its address is shown nowhere."""

from __future__ import annotations

import http.server
import logging
import threading
from collections.abc import Iterator
from queue import Queue
from types import SimpleNamespace

import pytest

from keepa_deals import celery_app, redaction, settings
from keepa_deals.dead_man_switch import SAME_AGAIN, DeadManSwitches, at_failure
from keepa_deals.errors import SettingsError
from keepa_deals.ingest.run import Outcome, RunResult
from keepa_deals.jobs import UPSERT_JOB
from tests.support.secrets import shown

TOKEN = "Zr8Kw2Pq5Xn7Lm3T"
FAILURES = {
    f"https://hc-ping.com/{TOKEN}": f"https://hc-ping.com/{TOKEN}/fail",
    f"https://hc-ping.com/{TOKEN}/": f"https://hc-ping.com/{TOKEN}/fail",
    "https://hc-ping.com/key/upserter?create=1": "https://hc-ping.com/key/upserter/fail?create=1",
    f"https://uptime.betterstack.com/api/v1/heartbeat/{TOKEN}":
        f"https://uptime.betterstack.com/api/v1/heartbeat/{TOKEN}/fail",
    f"https://kuma.example/api/push/{TOKEN}?status=up&msg=OK&ping=":
        f"https://kuma.example/api/push/{TOKEN}?status=down&msg=OK&ping=",
    f"http://kuma.example:3001/api/push/{TOKEN}?msg=OK&status=up":
        f"http://kuma.example:3001/api/push/{TOKEN}?msg=OK&status=down",
    f"https://cronitor.link/p/{TOKEN}/deals?state=complete": f"https://cronitor.link/p/{TOKEN}/deals?state=fail",
}  # fmt: skip


@pytest.mark.parametrize(("address", "failed"), FAILURES.items())
def test_a_failure_is_told_as_the_service_wants_it(address: str, failed: str) -> None:
    assert at_failure(address) == failed


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def called() -> Queue[str]:
    return Queue()


def test_each_change_is_told_and_the_same_not_all_the_time(called: Queue[str]) -> None:
    clock = Clock()
    switches = DeadManSwitches({"a": "http://x/t"}, send=called.put, clock=clock)
    switches.tell("nobody", succeeded=True)
    steps = ((0, True, "http://x/t"), (1, True, None), (1, False, "http://x/t/fail"), (1, False, None),
             (1, True, "http://x/t"), (SAME_AGAIN, True, "http://x/t"))  # fmt: skip
    for seconds, succeeded, told in steps:
        clock.now += seconds
        switches.tell("a", succeeded=succeeded)
        if told is not None:
            assert called.get(timeout=10) == told
    assert called.empty()


def test_a_slow_one_delays_no_run_and_then_hears_the_newest(called: Queue[str]) -> None:
    free, clock = threading.Event(), Clock()

    def slowly(address: str) -> None:
        called.put(address)
        free.wait(30)

    switches = DeadManSwitches({"a": "http://x/t"}, send=slowly, clock=clock)
    switches.tell("a", succeeded=True)
    assert called.get(timeout=10) == "http://x/t"
    for succeeded in (False, True, False):  # returns at once, though nobody is free to send
        switches.tell("a", succeeded=succeeded)
    assert called.empty()
    free.set()
    assert called.get(timeout=10) == "http://x/t/fail"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome.SUCCEEDED, [True]),
        (Outcome.NOTHING_TO_DO, [True]),
        (Outcome.FAILED, [False]),
        (Outcome.LOST_LOCK, [False]),
        (Outcome.WAITING_FOR_TOKENS, []),
        (Outcome.CANCELLED, []),
        (Outcome.SKIPPED_LOCKED, []),
        (Outcome.PAUSED, []),
        (None, [False]),
    ],
)
def test_a_run_tells_its_outcome(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome | None, told: list[bool]
) -> None:
    heard: list[bool] = []
    switches = SimpleNamespace(tell=lambda job, *, succeeded: heard.append(succeeded))
    monkeypatch.setattr(celery_app, "context", lambda: None)
    monkeypatch.setattr(celery_app, "_switches", lambda: switches)

    def work(_: object) -> RunResult:
        if outcome is None:
            raise RuntimeError
        return RunResult(UPSERT_JOB.name, outcome)

    if outcome is None:
        with pytest.raises(RuntimeError):
            celery_app.run_watched(UPSERT_JOB, work)
    else:
        celery_app.run_watched(UPSERT_JOB, work)
    assert heard == told


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/push/{TOKEN}"
        server.shutdown()


def test_what_is_refused_is_one_line_without_the_address(
    refusing: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = threading.Event()
    caplog.handler.addFilter(lambda record: said.set() or True)
    caplog.set_level(logging.DEBUG, logger="keepa_deals")
    DeadManSwitches({"backfill_deals": refusing}).tell("backfill_deals", succeeded=True)
    assert said.wait(20)
    assert "backfill_deals: its dead-man's switch cannot be reached (it answers 404)" in caplog.text
    assert shown(caplog.text, TOKEN, length=4) == set()


@pytest.mark.parametrize("value", [f"hc-ping.com/{TOKEN}", f"ftp://x/{TOKEN}", f"https:///{TOKEN}",
                                   f"https://x:port/{TOKEN}", f"https://x/{TOKEN} {TOKEN}"])  # fmt: skip
def test_a_wrong_address_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("UPSERTER_PING_URL", value)
    with pytest.raises(SettingsError, match=r"^UPSERTER_PING_URL=\(hidden\): ") as refused:
        settings.load(env_file=None, runtime=False)
    assert shown(str(refused.value), TOKEN, length=4) == set()


def test_the_address_is_known_as_a_secret() -> None:
    loaded = settings.load(
        env_file=None, runtime=False, upserter_ping_url=f"https://kuma.example/api/push/{TOKEN}?status=up"
    )
    assert loaded.ping_urls == {UPSERT_JOB.name: f"https://kuma.example/api/push/{TOKEN}?status=up"}
    assert TOKEN not in repr(loaded)
    assert shown(redaction.hide_known(f"GET /api/push/{TOKEN}?status=up"), TOKEN) == set()
