"""Beat's scheduler: what it does when nobody takes its messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fakeredis
import pytest
from celery import Celery

from keepa_deals.worker import scheduler as module
from keepa_deals.worker.scheduler import FULL, HeartbeatScheduler


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the entries that were sent."""
    sent: list[str] = []

    def send(_: HeartbeatScheduler, entry: Any, **__: Any) -> None:
        sent.append(entry.name)

    monkeypatch.setattr(HeartbeatScheduler, "apply_async", send)
    return sent


def scheduler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[HeartbeatScheduler, Any]:
    client = fakeredis.FakeRedis(decode_responses=True)
    monkeypatch.setattr(module, "hold", lambda _: None)
    monkeypatch.setattr(module, "connect_probe", lambda _: client)
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    app = Celery("test")
    every_second = {"task": "t", "schedule": 1.0, "options": {"queue": "upsert"}}
    app.conf.beat_schedule = {"entry": every_second}
    return HeartbeatScheduler(app), client


def test_a_queue_that_nobody_empties_stops_growing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: list[str]
) -> None:
    beat, client = scheduler(monkeypatch, tmp_path)
    entry = beat.schedule["entry"]
    client.rpush("keepa_deals:upsert", *range(FULL - 1))
    beat.apply_entry(entry)
    client.rpush("keepa_deals:upsert", "one more")
    beat.apply_entry(entry)
    assert sent == ["entry"]
