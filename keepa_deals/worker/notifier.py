"""The notifier as a program: ``python -m keepa_deals.worker.notifier``.

Its queue is the outbox in the database, and what wakes it a word in Redis: it needs nothing of Celery, which
would be the half of its memory.
"""

from __future__ import annotations

import logging
import signal
import sys
import time

import redis

from keepa_deals import logs, process_limits, settings
from keepa_deals.alerts import latency, senders
from keepa_deals.alerts.courier import Courier, CourierSettings, Sent
from keepa_deals.alerts.notifier import Channels, Notifier
from keepa_deals.clock import SystemClock
from keepa_deals.db.session import Database
from keepa_deals.deals.freshness import AsOf
from keepa_deals.errors import SettingsError
from keepa_deals.notifier_wake import NotifierWake
from keepa_deals.redis_store import Keys, connect
from keepa_deals.secret_box import SecretBox
from keepa_deals.settings import Settings

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
    senders.watch_answers()
    notifier = build(configured, client)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: notifier.stop())
    log.info("the notifier looks for what alerts have to tell")
    notifier.run(NotifierWake(client, Keys(configured.redis_key_prefix)))


def build(configured: Settings, client: redis.Redis) -> Notifier:
    """The notifier of a deployment."""
    clock, keys = SystemClock(), Keys(configured.redis_key_prefix)
    database = Database(configured.database_dsn, pool_size=POOL)
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
    counts = latency.Counts(client, keys)

    def on_sent(sent: Sent) -> None:
        counts.note(sent.kind, sent.seconds)

    def on_look() -> None:
        counts.looked(int(time.time() * 1000))
        if process_limits.memory_used() > process_limits.MAX_MEMORY:
            log.warning("more than %d MB in memory: another one takes over", process_limits.MAX_MEMORY >> 20)
            notifier.stop()

    notifier = Notifier(
        database,
        clock,
        Channels(courier, on_sent),
        lambda: AsOf(clock.now(), configured.fresh_for),
        configured.keepa_domain_id,
        on_look=on_look,
    )
    return notifier


if __name__ == "__main__":
    main()
