"""The tasks but the backfill. The work itself is in ``ingest`` and ``seller``; outcomes are recorded in the
database.

Each imports what it does when it runs: beat names the tasks and needs no more. Workers load it all at their
start (``celery_app``).
An error of ours that ends a task is expected: Celery then logs one line and no traceback.
"""

from __future__ import annotations

from keepa_deals.celery_app import app, context, run_watched
from keepa_deals.errors import KeepaDealsError
from keepa_deals.jobs import LISTINGS_JOB, MAINTENANCE_JOB, UPSERT_JOB


@app.task(name=UPSERT_JOB.task, throws=(KeepaDealsError,))
def update_recent_deals() -> None:
    """See what is new and keep what is live from going stale."""
    from keepa_deals.ingest.upsert.run import run

    run_watched(UPSERT_JOB, run)


@app.task(name=MAINTENANCE_JOB.task, throws=(KeepaDealsError,))
def maintain() -> None:
    """Tell operators what is wrong, sample the state, note what went stale, keep the retention times."""
    from keepa_deals.health.operators import tell_operators
    from keepa_deals.ingest.maintenance.run import run

    tell_operators(context())
    run_watched(MAINTENANCE_JOB, run)


@app.task(name=LISTINGS_JOB.task, throws=(KeepaDealsError,))
def check_listings() -> None:
    """Ask Amazon which deals the seller may list, where a seller is connected."""
    from keepa_deals.seller.run import run

    run_watched(LISTINGS_JOB, run)
