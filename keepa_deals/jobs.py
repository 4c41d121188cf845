"""The service's jobs: each one's names, task, queue, lock and schedule. Nobody else writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


def lock_of(job: str) -> str:
    """The lock that lets one run of a job at a time work."""
    return f"{job}_lock"


def job_of(lock: str) -> str:
    """The job whose lock this is."""
    return lock.removesuffix("_lock")


def worker_of(queue: str) -> str:
    """The supervised program that takes a queue's messages."""
    return f"worker-{queue}"


@dataclass(frozen=True, slots=True)
class Job:
    """One job. ``name`` stands in the database, in ``/api/status`` and in ``/metrics``."""

    name: str
    task: str
    """By this name Celery knows it: part of the command line's contract."""
    queue: str
    title: str
    """For people."""
    every: timedelta | None
    """Between two messages of beat; ``None`` where the setting ``UPSERT_INTERVAL_SECONDS`` says it."""

    @property
    def lock(self) -> str:
        """Its lock; maintenance takes none."""
        return lock_of(self.name)

    @property
    def worker(self) -> str:
        """The supervised program that takes its messages."""
        return worker_of(self.queue)

    @property
    def function(self) -> str:
        """The last part of its task's name, which beat's log says."""
        return self.task.rpartition(".")[2]


UPSERT_JOB = Job(
    "update_recent_deals",
    task="keepa_deals.simple_task.update_recent_deals",
    queue="upsert",
    title="Upserter",
    every=None,
)
BACKFILL_JOB = Job(
    "backfill_deals",
    task="keepa_deals.backfiller.backfill_deals",
    queue="backfill",
    title="Backfill",
    every=timedelta(seconds=10),  # what overlaps expires or finds the lock taken
)
MAINTENANCE_JOB = Job(
    "maintenance",
    task="keepa_deals.simple_task.maintain",
    queue="upsert",
    title="Maintenance",
    every=timedelta(seconds=60),
)
LISTINGS_JOB = Job(
    "check_listings",
    task="keepa_deals.simple_task.check_listings",
    queue="backfill",  # it is as patient, and a queue of its own would be a process more
    title="May I sell it?",
    every=timedelta(seconds=60),
)

JOBS = {job.name: job for job in (UPSERT_JOB, BACKFILL_JOB, MAINTENANCE_JOB, LISTINGS_JOB)}
FEEDING_JOBS = (UPSERT_JOB, BACKFILL_JOB)
"""Those that ask Keepa and write deals: one run at a time each, by its lock."""
LOCKED_JOBS = (*FEEDING_JOBS, LISTINGS_JOB)
"""Those that take a lock."""
QUEUES = tuple(dict.fromkeys(job.queue for job in JOBS.values()))
WORKERS = tuple(worker_of(queue) for queue in QUEUES)
NOTIFIER = "notifier"
"""The supervised program that looks at what changed for alerts, and sends: its queue is the outbox."""
