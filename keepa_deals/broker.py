"""Celery's connection to Redis, tried again every few seconds for as long as Redis is away."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

LONGEST_PAUSE = 4
"""Seconds between two attempts. Celery's own pause grows to 32, and so would our return after Redis's."""


class PersistentConnection(Connection):
    """Kombu's connection with short pauses; Celery calls this without a word on them."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("interval_max", LONGEST_PAUSE)
        return super().ensure_connection(*args, **kwargs)


class Amqp(AMQP):
    """Gives Celery's workers and beat that connection."""

    Connection = PersistentConnection
