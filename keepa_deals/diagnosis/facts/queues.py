"""The queues: depth, the oldest message, and beat's last tick."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if
from keepa_deals.diagnosis.rules.locks_and_queues import QUEUE_WAIT
from keepa_deals.humanize import duration_text


def lines(evidence: Evidence) -> Iterator[Line]:
    """Depth, and the oldest message."""
    if evidence.report.queues.value is None:
        yield Line("queues", Level.UNKNOWN, str(evidence.report.queues.error))
    for queue in evidence.report.queues.value or ():
        waits = evidence.report.taken_at - queue.oldest_sent_at if queue.oldest_sent_at else timedelta(0)
        oldest = f", the oldest for {duration_text(waits.total_seconds())}" if queue.oldest_sent_at else ""
        yield Line("queues", warn_if(waits > QUEUE_WAIT), f"{queue.name}: {queue.depth} waiting{oldest}")
    if evidence.report.beat.known:
        ticked = evidence.age(evidence.report.beat.value)
        silent = any(problem.name == "beat_down" for problem in evidence.report.problems)
        yield Line("queues", warn_if(silent), f"beat's last tick: {ticked}")
