"""How Celery comes back to a broker that was away."""

from __future__ import annotations

import kombu.utils.functional
import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from keepa_deals.worker.broker import MAX_PAUSE


def test_the_pauses_between_two_attempts_stay_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kombu.utils.functional, "sleep", lambda _: None)
    app = Celery("test", amqp="keepa_deals.worker.broker:Amqp", broker="redis://127.0.0.1:1/0")
    pauses: list[float] = []
    with app.connection_for_read() as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda _, pause: pauses.append(pause), 8)
    assert len(pauses) == 8
    assert max(pauses) <= MAX_PAUSE
