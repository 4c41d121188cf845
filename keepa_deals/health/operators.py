"""Tells operators what is wrong with the service: a look once a minute, and the outbox."""

from __future__ import annotations

import logging

from keepa_deals.alerts import service
from keepa_deals.health.collect import collect
from keepa_deals.health.error_text import describe
from keepa_deals.health.part import Snapshot
from keepa_deals.health.problems import TITLES
from keepa_deals.health.troubles import READ_FOR, find_troubles, unknown_troubles
from keepa_deals.ingest.context import IngestContext

log = logging.getLogger(__name__)

PARTS = tuple({part.name: part for parts in READ_FOR.values() for part in parts}.values())
"""All that a look reads: counting a million deals is for others."""


def tell_operators(context: IngestContext) -> None:
    """Look, and leave what is news in the outbox. Never raises: the work of the job itself goes on."""
    try:
        with context.database.session() as session:
            is_heard = service.is_heard(session)
        if is_heard:
            report = collect(context.settings, clock=context.clock, parts=PARTS)
            tell(context, report)
    except Exception as error:  # noqa: BLE001
        log.warning("operators cannot be told how the service is: %s", describe(error))


def tell(context: IngestContext, snapshot: Snapshot) -> None:
    """Compare a look with what was told; wake the notifier where there is news."""
    troubles, unknown = find_troubles(snapshot), unknown_troubles(snapshot)
    with context.database.begin() as session:
        has_news = service.note(session, troubles, TITLES, unknown, context.clock.now())
    if has_news:
        context.wake_notifier()
