"""One run of the upserter: the new deals, then what is due of the sweep and of the verification."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.run import Outcome, Run, RunResult, run_job
from keepa_deals.ingest.upsert import head, schedule, sweep
from keepa_deals.ingest.upsert.endings import end_those_long_unlisted, end_those_of_another_selection
from keepa_deals.ingest.upsert.progress import Progress
from keepa_deals.ingest.upsert.schedule import Step
from keepa_deals.ingest.upsert.state import NEVER
from keepa_deals.ingest.upsert.verification import Pending, pending, verify
from keepa_deals.jobs import UPSERT_JOB

MAX_DURATION = timedelta(minutes=10)
"""A run goes on for an interval or a tick, but no longer; what is due then is the next one's work."""


def run(context: IngestContext) -> RunResult:
    """One run: the new deals, then what is due of the sweep and of the verification.

    The message that came while a run went on for longer than an interval has found the lock taken. Its work
    is done here, at once: else tokens would come for a whole interval that nobody spends on what is due.
    """
    clock = context.clock
    began = clock.monotonic()
    while True:
        started = clock.monotonic()
        result = run_job(context, UPSERT_JOB, _work)
        now = clock.monotonic()
        overran = now - started >= context.interval.total_seconds()
        if not (overran and result.outcome.is_success) or now - began > MAX_DURATION.total_seconds():
            return result


def _work(run: Run) -> Outcome:
    progress = Progress(run)
    clock, tick = run.context.clock, run.context.settings.keepa_tick_seconds
    length = min(max(progress.interval.total_seconds(), tick), MAX_DURATION.total_seconds())
    ends = clock.monotonic() + length
    begins, is_begun = sweep.is_to_begin(progress), False
    if begins or head.is_due(progress, sweep.page_deadline(progress)):
        is_begun = head.read_new(progress)
    if begins and not is_begun:
        sweep.begin(progress)
    _end_without_asking(progress)
    while clock.monotonic() < ends:
        waiting = pending(run, progress.state, progress.asked)
        if waiting.suspects:
            waiting = replace(waiting, suspects=waiting.suspects[: sweep.spare_tokens(progress)])
        deadline = sweep.page_deadline(progress)
        step = schedule.next_step(deadline, waiting.deadline, suspects=bool(waiting.suspects))
        if step is None:
            break
        _take(progress, step, waiting)
    return Outcome.SUCCEEDED


def _take(progress: Progress, step: Step, waiting: Pending) -> None:
    if step is Step.SWEEP:
        sweep.read_next_page(progress)
        _end_without_asking(progress)
    else:
        doubtful = waiting.suspects if step is Step.VERIFY_SUSPECTS else waiting.missed
        progress.asked |= {*verify(progress.run, progress.state, doubtful)}


def _end_without_asking(progress: Progress) -> None:
    if progress.state.selected_at > NEVER:
        end_those_of_another_selection(progress.run, progress.state)
    end_those_long_unlisted(progress.run, progress.state)
