"""The notifier: looks at what changed and sends what is due, each channel apart from the others.

It sleeps until somebody wakes it, or until the next look; what is to be done stands in the database, so a
word that is lost costs seconds and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from keepa_deals.alerts.courier import Courier, Sent, channels_due
from keepa_deals.alerts.evaluate import BATCH, evaluate
from keepa_deals.alerts.idle import Wake, wait_for_word
from keepa_deals.clock import Clock
from keepa_deals.db.errors import StoreError
from keepa_deals.db.session import Database
from keepa_deals.deals.freshness import AsOf

log = logging.getLogger(__name__)

MAX_SENDING = 32
"""Channels that are sent to at the same time."""


class Channels:
    """Empties one channel's outbox at a time in a thread of its own: a slow one holds up nobody else."""

    def __init__(self, courier: Courier, on_sent: Callable[[Sent], None]) -> None:
        self._courier = courier
        self._on_sent = on_sent
        self._pool = ThreadPoolExecutor(MAX_SENDING, thread_name_prefix="channel")
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self._again: set[int] = set()
        """Busy ones for which something came meanwhile: they look once more."""
        self._closing = False

    def serve(self, channel_id: int) -> None:
        """Send what is due on a channel; at once, or when its present message is through."""
        with self._lock:
            if self._closing:
                return
            if channel_id in self._busy:
                self._again.add(channel_id)
                return
            self._busy.add(channel_id)
        self._pool.submit(self._empty, channel_id)

    def close(self) -> None:
        """Return when the messages that are being sent are through; nothing new begins."""
        with self._lock:
            self._closing = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _empty(self, channel_id: int) -> None:
        try:
            while self._goes_on(channel_id):
                pass
        except StoreError as error:
            log.warning("channel %d waits: %s", channel_id, error)
            self._leave(channel_id)
        except Exception:
            log.exception("channel %d", channel_id)
            self._leave(channel_id)

    def _goes_on(self, channel_id: int) -> bool:
        """Send the next message; whether there may be another one."""
        if self._closing:
            self._leave(channel_id)
            return False
        outcome = self._courier.send_next(channel_id)
        if isinstance(outcome, Sent):
            self._on_sent(outcome)
        if outcome is not False:
            return True
        with self._lock:
            if channel_id in self._again:
                self._again.discard(channel_id)
                return True
            self._busy.discard(channel_id)
        return False

    def _leave(self, channel_id: int) -> None:
        with self._lock:
            self._busy.discard(channel_id)
            self._again.discard(channel_id)


class Notifier:
    """Runs until it is told to stop."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Channels,
        as_of: Callable[[], AsOf],
        domain_id: int,
        *,
        on_look: Callable[[], None] = lambda: None,
        stop: threading.Event | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._as_of = as_of
        self._domain_id = domain_id
        self._on_look = on_look
        self._stop = stop or threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self, wake: Wake) -> None:
        """Look and send until told to stop; then return when what is being sent is through."""
        while not self._stop.is_set():
            self.look()
            wait_for_word(wake, self._stop)
        self._channels.close()

    def look(self) -> None:
        """Look at what changed, all of it, and begin to send what is due."""
        try:
            while evaluate(self._database, self._as_of(), self._domain_id) == BATCH:
                self._serve()  # what was found is on its way while the rest is looked at
            self._serve()
            self._on_look()
        except StoreError as error:
            log.warning("the notifier waits: %s", error)

    def _serve(self) -> None:
        with self._database.session() as session:
            due = channels_due(session, self._clock.now())
        for channel_id in due:
            self._channels.serve(channel_id)
