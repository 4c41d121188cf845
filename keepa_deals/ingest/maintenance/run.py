"""Once a minute, without a token: notes what went stale, samples the state, prices anew, keeps retention.

Each part works in transactions of a thousand rows at most, so that it never holds up the upserter, and
stops after its share of the minute; the next run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from keepa_deals.db.upsert import ensure_job
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.maintenance import repricing, retention
from keepa_deals.ingest.maintenance.samples import count_deals, read_account, write_sample
from keepa_deals.ingest.maintenance.staleness import note_stale
from keepa_deals.jobs import MAINTENANCE_JOB

SHARE = timedelta(seconds=15)
"""How long pricing anew, and the janitor, may go on in one run."""


@dataclass(frozen=True)
class MaintenanceResult:
    """The deals by state, and how many were newly noted as stale, priced anew, and deleted with what."""

    live: int
    stale: int
    ended: int
    newly_stale: int
    repriced: int = 0
    deleted: int = 0


def run(context: IngestContext) -> MaintenanceResult:
    """Note the deals that went stale since the last look, write this minute's sample, and tidy up."""
    now = context.clock.now()
    with context.database.begin() as session:
        ensure_job(session, MAINTENANCE_JOB.name)
    newly_stale = note_stale(context, now)
    counts = count_deals(context.database, now, context.fresh_for)
    account = read_account(context)
    write_sample(context, account, counts)
    repriced = repricing.reprice(
        context, MAINTENANCE_JOB.name, until=context.clock.monotonic() + SHARE.total_seconds()
    )
    deleted = retention.clean(context, account, until=context.clock.monotonic() + SHARE.total_seconds())
    return MaintenanceResult(*counts, newly_stale, repriced, deleted)
