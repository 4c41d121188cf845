"""One run of the upserter: of all searches what is new, then what is due of sweeps and verification."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.run import Outcome, Run, RunResult, run_job
from keepa_deals.ingest.upsert import head, schedule, served, sweep
from keepa_deals.ingest.upsert.endings import end_those_long_unlisted, end_those_of_another_selection
from keepa_deals.ingest.upsert.progress import Progress
from keepa_deals.ingest.upsert.schedule import Step
from keepa_deals.ingest.upsert.served import Served
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
    searches = served.begin(run)
    with searches.accounted():
        _read(searches)
        searches.refuse_all()
    return Outcome.SUCCEEDED if searches.searches else Outcome.NOTHING_TO_DO


def _read(searches: Served) -> None:
    """What is new of each search; then, of all that is due, the earliest deadline first."""
    context = searches.run.context
    clock, tick = context.clock, context.settings.keepa_tick_seconds
    length = min(max(context.interval.total_seconds(), tick), MAX_DURATION.total_seconds())
    ends = clock.monotonic() + length
    searches.share_out()
    for number, progress in searches.going():
        with searches.reading(number):
            _look(progress)
        if clock.monotonic() >= ends:
            break
    served.end_those_of_nobody(searches)
    tasks: dict[int, _Task | None] = {}
    while clock.monotonic() < ends:
        for number, progress in searches.going():
            if number not in tasks:
                tasks[number] = _next_task(progress)
        due = [
            (searches.has_overspent(searches.searches[number]), task.urgency, number)
            for number, task in tasks.items()
            if task is not None
        ]
        if not due:
            break
        *_, number = min(due)
        task = tasks.pop(number)
        assert task is not None
        with searches.reading(number):
            _take(searches.searches[number], task)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a search does next, and by when; ``deadline`` is ``None`` where nothing hangs on it."""

    step: Step
    waiting: Pending
    deadline: datetime | None

    @property
    def urgency(self) -> tuple[bool, datetime]:
        return self.deadline is None, self.deadline or NEVER


def _look(progress: Progress) -> None:
    """See what is new, and begin a sweep where it is time."""
    begins, is_begun = sweep.is_to_begin(progress), False
    if begins or head.is_due(progress, sweep.page_deadline(progress)):
        is_begun = head.read_new(progress)
    if begins and not is_begun:
        sweep.begin(progress)
    _end_without_asking(progress)


def _next_task(progress: Progress) -> _Task | None:
    """What is due of a search now; ``None``: nothing."""
    waiting = pending(progress.run, progress.state, progress.asked)
    if waiting.suspects:
        waiting = replace(waiting, suspects=waiting.suspects[: sweep.spare_tokens(progress)])
    page = sweep.page_deadline(progress)
    step = schedule.next_step(page, waiting.deadline, suspects=bool(waiting.suspects))
    if step is None:
        return None
    deadline = {Step.SWEEP: page, Step.VERIFY_MISSED: waiting.deadline}.get(step)
    return _Task(step, waiting, deadline)


def _take(progress: Progress, task: _Task) -> None:
    if task.step is Step.SWEEP:
        sweep.read_next_page(progress)
        _end_without_asking(progress)
    else:
        is_doubted = task.step is Step.VERIFY_SUSPECTS
        doubtful = task.waiting.suspects if is_doubted else task.waiting.missed
        progress.asked |= {*verify(progress.run, progress.state, doubtful)}


def _end_without_asking(progress: Progress) -> None:
    if progress.state.selected_at > NEVER:
        end_those_of_another_selection(progress.run, progress.state)
    end_those_long_unlisted(progress.run, progress.state)
