"""The rows that the health page shows, with the types that the tables' columns have."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class SampleRow(NamedTuple):
    """The state of the whole at a moment (``db.models.Sample``)."""

    at: datetime
    live: int
    stale: int
    ended: int
    matching: int | None
    tokens: int | None
    small_wait_ms: int | None
    bulk_wait_ms: int | None


class RunRow(NamedTuple):
    """A run of a job that did something (``db.models.JobRun``)."""

    name: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    rows: int
    tokens_spent: int
    detail: str | None


class ActionRow(NamedTuple):
    """What somebody asked of the service, and what came of it (``db.models.OperatorAction``)."""

    at: datetime
    actor: str
    action: str
    target: str
    outcome: str
