"""What the files below ``log/`` are called."""

from __future__ import annotations

from keepa_deals.jobs import BACKFILL_JOB, UPSERT_JOB

SUPERVISOR_LOG = "supervisord.log"
DEPLOY_LOG = "deploy.log"

_NAMED_OTHERWISE = {
    "beat": "celery_beat.log",
    UPSERT_JOB.worker: "celery_worker.log",
    BACKFILL_JOB.worker: "celery_worker_backfill.log",
}


def log_of(program: str) -> str:
    """The log of a supervised program."""
    return _NAMED_OTHERWISE.get(program, f"{program}.log")
