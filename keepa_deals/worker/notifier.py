"""The notifier as a program: ``python -m keepa_deals.worker.notifier``.

Its queue is the outbox in the database, and what wakes it a word in Redis: it needs nothing of Celery, which
would be the half of its memory. As long as there is no alert and no message it loads nothing that looks at
deals or sends: that is half of the rest.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from keepa_deals import logs, process_limits, settings
from keepa_deals.alerts import latency
from keepa_deals.alerts.idle import is_needed, wait_for_work
from keepa_deals.clock import SystemClock
from keepa_deals.db.session import Database
from keepa_deals.errors import SettingsError
from keepa_deals.notifier_wake import NotifierWake
from keepa_deals.redis_store import Keys, connect
from keepa_deals.settings import Settings

if TYPE_CHECKING:
    from keepa_deals.alerts.notifier import Notifier

log = logging.getLogger(__name__)

POOL = 16
"""Connections to PostgreSQL at most: a channel holds one for milliseconds only."""


def main() -> None:
    """Run until told to stop."""
    try:
        configured = settings.load()
        client = connect(configured)
    except SettingsError as error:
        sys.exit(f"keepa_deals: {error}")
    logs.configure()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keys = Keys(configured.redis_key_prefix)
    wake, counts = NotifierWake(client, keys), latency.Counts(client, keys)
    database = Database(configured.database_dsn, pool_size=POOL)

    def on_look() -> None:
        counts.looked(int(time.time() * 1000))
        if process_limits.memory_used() > process_limits.MAX_MEMORY:
            log.warning("more than %d MB in memory: another one takes over", process_limits.MAX_MEMORY >> 20)
            stop.set()

    log.info("the notifier looks for what alerts have to tell")
    if is_needed(database):
        build(configured, database, counts, on_look, stop).run(wake)
    elif wait_for_work(database, wake, on_look, stop):
        database.close()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # anew: by now the code may be another version's


def build(
    configured: Settings,
    database: Database,
    counts: latency.Counts,
    on_look: Callable[[], None],
    stop: threading.Event,
) -> Notifier:
    """The notifier of a deployment; loads what looks at deals and sends."""
    from keepa_deals.alerts import senders
    from keepa_deals.alerts.courier import Courier, CourierSettings, Sent
    from keepa_deals.alerts.notifier import Channels, Notifier
    from keepa_deals.deals.freshness import AsOf
    from keepa_deals.secret_box import SecretBox

    senders.watch_answers()
    clock = SystemClock()
    courier = Courier(
        database,
        SecretBox(configured.keepa_deals_home),
        clock,
        CourierSettings(
            configured.readers_url,
            configured.keepa_domain_id,
            configured.fresh_for,
            configured.alert_given_up_after,
        ),
        senders.send,
    )

    def on_sent(sent: Sent) -> None:
        counts.note(sent.kind, sent.seconds)

    return Notifier(
        database,
        clock,
        Channels(courier, on_sent),
        lambda: AsOf(clock.now(), configured.fresh_for),
        configured.keepa_domain_id,
        on_look=on_look,
        stop=stop,
    )


if __name__ == "__main__":
    main()
