"""Warnings and errors in the logs of the jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keepa_deals.deployment.log_files import log_of
from keepa_deals.deployment.log_tail import read_end, troubles
from keepa_deals.jobs import WORKERS
from keepa_deals.settings import Settings

LOGS_OF_JOBS = tuple(log_of(program) for program in (*WORKERS, "beat"))


@dataclass(frozen=True, slots=True)
class Trouble:
    """A warning or an error in one of the logs."""

    log: str
    at: datetime
    text: str


def read_troubles(settings: Settings, since: datetime) -> tuple[Trouble, ...]:
    """What the logs complain of after ``since``."""
    entries = []
    for name in LOGS_OF_JOBS:
        path = settings.log_dir / name
        if path.exists():
            entries += [Trouble(name, at, text) for at, text in troubles(read_end(path).splitlines(), since)]
    return tuple(entries)
