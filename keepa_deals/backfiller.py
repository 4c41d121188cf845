"""The backfiller's task: one slice of at most a minute; beat sends the next."""

from __future__ import annotations

from keepa_deals.celery_app import app, run_watched
from keepa_deals.errors import KeepaDealsError
from keepa_deals.jobs import BACKFILL_JOB


@app.task(name=BACKFILL_JOB.task, throws=(KeepaDealsError,))
def backfill_deals() -> None:
    """Walk the feed and enrich deals with the tokens that the upserter does not need."""
    from keepa_deals.ingest.backfill.run import run_slice

    run_watched(BACKFILL_JOB, run_slice)
