"""One run of a job: single flight, fenced at the database, recorded with its outcome.

The lock keeps two runs from working at the same time; the fence keeps the one that lost its lock
without noticing from writing. Both are checked inside the transaction that writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict, Unpack

from sqlalchemy import insert, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from keepa_deals.db.errors import StoreError
from keepa_deals.db.models import JobRun, JobState, SearchRow, SearchState
from keepa_deals.db.upsert import ensure_job
from keepa_deals.errors import (
    BudgetError,
    KeepaDealsError,
    LockLostError,
    StoppedError,
    TokensUnavailableError,
)
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.events import CHANGES_NOTED
from keepa_deals.ingest.interfaces import Lock
from keepa_deals.jobs import BACKFILL_JOB, Job
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import KeepaError, OutOfTokensError
from keepa_deals.locks import MAX_HOLD, TTL
from keepa_deals.redaction import redact
from keepa_deals.searches.search import Search

log = logging.getLogger(__name__)

MAX_RUN_SECONDS = MAX_HOLD - 2 * TTL
"""Seconds after which a run waits for nothing more: the rest is for writing what it has."""


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    NOTHING_TO_DO = "nothing_to_do"
    WAITING_FOR_TOKENS = "waiting_for_tokens"
    CANCELLED = "cancelled"
    FAILED = "failed"
    LOST_LOCK = "lost_lock"
    SKIPPED_LOCKED = "skipped_locked"
    PAUSED = "paused"

    @property
    def is_success(self) -> bool:
        """Whether the job did all that it had to do."""
        return self in (Outcome.SUCCEEDED, Outcome.NOTHING_TO_DO)

    @property
    def is_failure(self) -> bool:
        """Whether something went wrong."""
        return self in (Outcome.FAILED, Outcome.LOST_LOCK)


class SearchGoneError(KeepaDealsError):
    """The search was removed while it was read."""


@dataclass(frozen=True)
class RunResult:
    """What a run did: rows written, tokens that Keepa charged, and a word on an error."""

    job: str
    outcome: Outcome
    rows: int = 0
    tokens_spent: int = 0
    detail: str | None = None


class JobProgress(TypedDict, total=False):
    """What a transaction may leave of a job's state: columns of ``job_states``."""

    watermark: datetime | None
    cursor: dict[str, Any]


@dataclass
class Run:
    """A run under way: what it may rely on, and what it did so far."""

    job: str
    context: IngestContext
    lock: Lock
    fence: int
    started_at: datetime
    watermark: datetime | None
    cursor: dict[str, Any]
    deadline: float
    """By the monotonic clock: it waits for nothing longer than that."""
    rows: int = 0
    tokens_spent: int = 0

    def of(self, search: Search) -> Run:
        """The same run for one of the searches: with its query, and what is remembered of it."""
        watermark, cursor = self.watermark, self.cursor
        if not search.is_first:
            watermark, cursor = search.watermark, dict(self._remembered_in(search) or {})
        context = self.context.of(search)
        return replace(self, context=context, watermark=watermark, cursor=cursor, rows=0, tokens_spent=0)

    def _remembered_in(self, search: Search) -> Mapping[str, Any] | None:
        """What this job knows of a search from run to run, but for the first one."""
        return search.crawl if self.job == BACKFILL_JOB.name else search.cursor

    def checkpoint(self) -> None:
        """Return while the run may go on: a ``LockLostError`` or ``StoppedError`` otherwise."""
        if self.lock.lost.is_set():
            raise LockLostError(f"{self.job}: its lock went to another worker")
        if self.context.stop():
            raise StoppedError(f"{self.job}: the process is asked to stop")

    def patience(self, most: float) -> float:
        """Seconds that it may wait for something: ``most``, or what is left of its time."""
        return max(0.0, min(most, self.deadline - self.context.clock.monotonic()))

    @contextmanager
    def commit(self, **job_state: Unpack[JobProgress]) -> Iterator[Session]:
        """A transaction for rows, and for the ``watermark`` or ``cursor`` of job or search, if given.

        It is rolled back with a ``LockLostError`` when the lock or the fence is no longer ours, and with a
        ``SearchGoneError`` when the search has been removed meanwhile.
        """
        search = self.context.search
        with self.context.database.begin() as session:
            self._hold_fence(session, job_state if search is None or search.is_first else {})
            if search is not None:
                self._remember(session, search, job_state)
            yield session
            if self.lock.lost.is_set():
                raise LockLostError(f"{self.job}: its lock went to another worker; nothing was written")
        if session.info.get(CHANGES_NOTED):
            self.context.wake_notifier()
        for name, value in job_state.items():
            setattr(self, name, value)

    def _hold_fence(self, session: Session, job_state: JobProgress) -> None:
        """Keeps the job's row locked until the end of the transaction, so that no one can take the fence."""
        statement = update(JobState).where(JobState.name == self.job, JobState.fence == self.fence)
        if _changed(session, statement.values(fence=self.fence, **job_state)) != 1:
            raise LockLostError(f"{self.job}: a newer run has the fence; nothing was written")

    def _remember(self, session: Session, search: Search, job_state: JobProgress) -> None:
        """Keeps the search's row locked until the end of the transaction, with what is remembered of it."""
        values: dict[str, Any] = {"name": SearchRow.name}
        if not search.is_first:
            values |= job_state
            if self.job == BACKFILL_JOB.name and "cursor" in values:
                values["crawl"] = values.pop("cursor")
        there = update(SearchRow).where(SearchRow.id == search.id, SearchRow.state != SearchState.REMOVED)
        if _changed(session, there.values(values)) != 1:
            raise SearchGoneError(f"{self.job}: the search {search.name} was removed; nothing was written")

    def charged(self, envelope: TokenEnvelope) -> None:
        """Count what a call cost by its answer."""
        self.tokens_spent += envelope.tokens_consumed


def run_job(context: IngestContext, job: Job, work: Callable[[Run], Outcome]) -> RunResult:
    """Run ``work`` alone and fenced; the outcome is returned and recorded, an expected error too."""
    lock = context.lock(job.lock)
    if not lock.acquire():
        log.info("%s: another run holds %s; this one has nothing to do", job.name, job.lock)
        return RunResult(job.name, Outcome.SKIPPED_LOCKED)
    try:
        return _locked_run(context, job.name, lock, work)
    except StoreError as error:
        log.error("%s: %s", job.name, error)  # noqa: TRY400  # expected: one line, no traceback
        return RunResult(job.name, Outcome.FAILED, detail=str(error))
    finally:
        lock.release()


def _locked_run(context: IngestContext, job: str, lock: Lock, work: Callable[[Run], Outcome]) -> RunResult:
    run = _start(context, job, lock)
    if run is None:
        return RunResult(job, Outcome.PAUSED)
    outcome, detail = _attempt(run, work)
    result = _finish(run, RunResult(job, outcome, run.rows, run.tokens_spent, detail))
    outcome, detail = result.outcome, result.detail
    level = logging.ERROR if outcome.is_failure else logging.INFO
    log.log(
        level,
        "%s: %s, %d rows, %d tokens%s",
        job,
        outcome,
        run.rows,
        run.tokens_spent,
        f": {detail}" if detail else "",
    )
    return result


def _attempt(run: Run, work: Callable[[Run], Outcome]) -> tuple[Outcome, str | None]:
    """The outcome of the work and a word on what went wrong; expected errors have no traceback."""
    try:
        return work(run), None
    except (StoppedError, SearchGoneError) as error:
        return Outcome.CANCELLED, str(error)
    except LockLostError as error:
        return Outcome.LOST_LOCK, str(error)
    except (TokensUnavailableError, OutOfTokensError) as error:
        return Outcome.WAITING_FOR_TOKENS, str(error)
    except (BudgetError, KeepaError, KeepaDealsError) as error:
        return Outcome.FAILED, str(error)
    except Exception as error:
        log.exception("%s failed", run.job)
        return Outcome.FAILED, f"{type(error).__name__}: see the log"


def _start(context: IngestContext, job: str, lock: Lock) -> Run | None:
    """A run that holds the fence; ``None`` when the job is paused."""
    with context.database.begin() as session:
        ensure_job(session, job)
        state = session.get_one(JobState, job, with_for_update=True)
        if state.paused:
            state.last_outcome = Outcome.PAUSED
            return None
        ours = update(JobState).where(JobState.name == job)
        session.execute(ours.values(fence=JobState.fence + 1))
        now = context.clock.now()  # a run begins with its fence, so that no other's end comes after it
        session.execute(ours.values(last_started_at=now))
        session.refresh(state)
        deadline = context.clock.monotonic() + MAX_RUN_SECONDS
        return Run(job, context, lock, state.fence, now, state.watermark, dict(state.cursor or {}), deadline)


def _finish(run: Run, result: RunResult) -> RunResult:
    """Record how it ended. A success that a newer run overtook is a lost lock: nobody may rest on it."""
    with run.context.database.begin() as session:
        ours = update(JobState).where(JobState.name == run.job, JobState.fence == run.fence)
        held = _changed(session, ours.values(fence=run.fence)) == 1
        if result.outcome.is_success and not held:
            overtaken = f"{run.job}: a newer run began before this one ended; what it wrote stays"
            result = replace(result, outcome=Outcome.LOST_LOCK, detail=overtaken)
        now = run.context.clock.now()
        detail = None if result.detail is None else redact(result.detail)  # it is shown to readers
        session.execute(ours.values(_state_after(result, now, detail)))
        if result.outcome is not Outcome.NOTHING_TO_DO:
            session.execute(
                insert(JobRun).values(
                    name=run.job,
                    started_at=run.started_at,
                    finished_at=now,
                    outcome=result.outcome,
                    rows=result.rows,
                    tokens_spent=result.tokens_spent,
                    detail=detail,
                )
            )
    return result


def _state_after(result: RunResult, now: datetime, detail: str | None) -> dict[str, Any]:
    """What a job's row says after a run that ended ``now`` like this."""
    state: dict[str, Any] = {
        "last_finished_at": now,
        "last_outcome": result.outcome,
        "last_error": detail if result.outcome.is_failure else None,
        "rows": JobState.rows + result.rows,
        "tokens_spent": JobState.tokens_spent + result.tokens_spent,
    }
    if result.outcome.is_success:
        state["last_success_at"] = now
    return state


def _changed(session: Session, statement: Any) -> int:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount
