"""The notifier as a process: small while there is no alert, and at work as soon as there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepa_deals.clock import SystemClock
from keepa_deals.db import migrate
from keepa_deals.db.models import Delivery, MessageKind
from keepa_deals.db.models.alerts import DeliveryState
from keepa_deals.db.session import Database
from keepa_deals.notifier_wake import NotifierWake
from keepa_deals.redis_store import Keys
from keepa_deals.secret_box import SecretBox
from keepa_deals.settings import KEY_LENGTH
from tests.support.alerts import make_alert, make_channel
from tests.support.paths import ROOT
from tests.support.servers.redis import RedisServer
from tests.support.webhooks import hooks


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def test_it_is_small_until_there_is_an_alert_and_then_sends_at_once(
    tmp_path: Path, server: RedisServer
) -> None:
    database, now = Database(f"sqlite:///{tmp_path / 'deals.db'}"), SystemClock().now()
    migrate.upgrade(database)
    client, keys = server.client(), Keys()
    environment = {
        **os.environ, "KEEPA_API_KEY": "k" * KEY_LENGTH, "REDIS_URL": server.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'deals.db'}", "KEEPA_DEALS_HOME": str(tmp_path),
    }  # fmt: skip
    command = [sys.executable, "-m", "keepa_deals.worker.notifier"]
    with hooks() as web, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as ran:
        try:
            looked = client.pubsub()
            client.config_set("notify-keyspace-events", "K$")
            looked.subscribe(f"__keyspace@0__:{keys.notifier_looked}")
            while (message := looked.get_message(timeout=30)) is not None and message["type"] != "message":
                pass
            assert message is not None, "it does not look"
            assert "numpy" not in Path(f"/proc/{ran.pid}/maps").read_text(encoding="utf-8")
            with database.begin() as session:
                address = SecretBox(tmp_path).encrypt(web.address())
                channel = make_channel(session, now, kind="webhook", address=address)
                alert = make_alert(session, now, channel)
                session.add(
                    Delivery(
                        key="k", alert_id=alert, channel_id=channel, kind=MessageKind.TEST, deals=[],
                        body="Hello", state=DeliveryState.WAITING, caused_at=now, created_at=now, due_at=now,
                    )
                )  # fmt: skip
            NotifierWake(client, keys).wake()
            assert b"Hello" in web.wait_for(1)[0]
            assert "numpy" in Path(f"/proc/{ran.pid}/maps").read_text(encoding="utf-8"), "the same process"
        finally:
            ran.terminate()
    assert ran.returncode == 0
    database.close()
