"""Waits until there is an alert or a message: what looks at deals and sends takes 30 MB, often for nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

import redis
from sqlalchemy import exists, or_, select

from keepa_deals.db.errors import StoreError
from keepa_deals.db.models import Alert, Delivery
from keepa_deals.db.session import Database

log = logging.getLogger(__name__)

LOOK_EVERY = 3.0
"""Seconds between two looks when nobody wakes the notifier."""
WITHOUT_REDIS = 1.0
"""The same while Redis can't wake it."""


class Wake(Protocol):
    """What a waiting notifier is woken by."""

    def wait(self, seconds: float) -> bool: ...


def wait_for_word(wake: Wake, stop: threading.Event) -> None:
    """Return when somebody wakes us, or at the next look; sooner when told to stop where Redis is away."""
    try:
        wake.wait(LOOK_EVERY)
    except redis.RedisError as error:
        log.debug("nobody can wake the notifier: %s", error)
        stop.wait(WITHOUT_REDIS)


def wait_for_work(database: Database, wake: Wake, on_look: Callable[[], None], stop: threading.Event) -> bool:
    """True as soon as there is an alert, or a message to send; false when told to stop before."""
    while not stop.is_set():
        if is_needed(database):
            return True
        on_look()
        wait_for_word(wake, stop)
    return False


def is_needed(database: Database) -> bool:
    """Whether there is an alert, or a message that waits; nobody knows while the database is away."""
    waits = exists().where(Delivery.finished_at.is_(None))
    try:
        with database.session() as session:
            return bool(session.scalar(select(or_(exists(select(Alert.id)), waits))))
    except StoreError as error:
        log.warning("the notifier waits: %s", error)
        return False
