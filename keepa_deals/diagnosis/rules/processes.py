"""Causes in the processes: what does not run, runs twice, crashes or is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from keepa_deals.deployment.log_files import log_of
from keepa_deals.deployment.processes import Process
from keepa_deals.deployment.supervisor_log import Down
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import RESTART, START, Alert, Finding, Rank, Stops, rule, start_again
from keepa_deals.jobs import WORKERS

CRASHES = 3
CRASHES_WITHIN = timedelta(minutes=10)
CRASH_QUIET = timedelta(seconds=15)
"""So long after its last end at least a program counts as still crashing; four times that at most."""
STARTING = timedelta(seconds=30)
"""A program that is younger may not answer yet."""
_NOT_THE_SERVICE = {"sandbox", "redis"}


@rule(
    rank=Rank.SERVICE,
    meaning="Nothing is refreshed, so live deals go stale one by one.",
    seen_by="no process of this deployment, by the home in its environment",
    fix=START,
    stops=Stops.ALL,
    alert=None,
)
def not_running(evidence: Evidence) -> Iterator[Finding]:
    table = evidence.processes.value
    if table is not None and not table.unknown and not evidence.ours().keys() - _NOT_THE_SERVICE:
        yield Finding("none of the service's processes runs")


@rule(
    rank=Rank.GROUND,
    meaning="A stopped process holds its place and does nothing.",
    seen_by="the state T of a process other than the workers",
    fix=f"kill -CONT <pid>, or {RESTART}",
    stops=Stops.ALL,
    alert=None,
)
def process_suspended(evidence: Evidence) -> Iterator[Finding]:
    yield from _suspended(evidence, workers=False)


@rule(
    rank=Rank.PROGRAMS,
    meaning="The service runs on, but nobody restarts what dies.",
    seen_by="programs of ours without their supervisord",
    fix=RESTART,
    alert=None,
)
def supervisor_down(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours()
    if evidence.processes.known and ours.keys() - {"supervisord", "sandbox"} and "supervisord" not in ours:
        yield Finding("supervisord is gone: what dies now stays dead")


@rule(
    rank=Rank.PROGRAMS,
    meaning="It starts and dies, again and again.",
    seen_by="three unexpected ends within ten minutes in supervisord.log",
    fix="read the end of its log below",
    stops=Stops.ALL,
    follows="disk_full home_not_writable redis_down memory_short",
    alert=None,
)
def program_crashing(evidence: Evidence) -> Iterator[Finding]:
    if evidence.supervision.value is None or "supervisord" not in evidence.ours():
        return
    since = evidence.report.taken_at - CRASHES_WITHIN
    for program in evidence.supervision.value.downs:
        deaths = evidence.supervision.value.deaths(program, since)
        if len(deaths) >= CRASHES and evidence.report.taken_at - deaths[-1].start < _due(deaths):
            when = evidence.age(deaths[-1].start)
            yield Finding(
                f"{program} ended {len(deaths)} times within 10 minutes, last {when} ({deaths[-1].how})",
                f"read the end of {evidence.settings.log_dir / log_of(program)}",
            )


def _due(deaths: Sequence[Down]) -> timedelta:
    """The time within which the next end would be due, going by the last ones."""
    usual = (deaths[-1].start - deaths[-CRASHES].start) / (CRASHES - 1)
    return max(CRASH_QUIET, min(4 * CRASH_QUIET, 2 * usual))


@rule(
    rank=Rank.PROGRAMS,
    meaning="Runs are scheduled or worked on twice.",
    seen_by="two processes of a kind that must be single",
    fix=RESTART,
    alert=None,
)
def processes_doubled(evidence: Evidence) -> Iterator[Finding]:
    table = evidence.processes.value
    for program in ("beat", *WORKERS, "supervisord"):
        twins = table.of(program) if table else ()
        if len(twins) > 1:
            pids = ", ".join(str(twin.pid) for twin in twins)
            yield Finding(f"{program} runs {len(twins)} times (pids {pids})")


@rule(
    rank=Rank.PROGRAMS,
    meaning="No run is scheduled, so live deals go stale.",
    seen_by="no beat process of ours, or no tick for 30 s",
    fix=START,
    stops=Stops.UPSERTER,
    follows="not_running program_crashing process_suspended redis_full redis_replica",
    alert=Alert("keepa_deals_problem{name='beat_down'} == 1"),
)
def beat_down(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours()
    if not evidence.processes.known or not ours:
        return
    if "beat" not in ours:
        yield Finding(
            "no Celery beat of this deployment runs" + _beat_pid_file(evidence), start_again(evidence)
        )
    elif _should_have_ticked(evidence) and any(p.name == "beat_down" for p in evidence.report.problems):
        ticked = evidence.age(evidence.report.beat.value)
        yield Finding(f"beat runs, but its last tick was {ticked}")


def _should_have_ticked(evidence: Evidence) -> bool:
    return bool(evidence.report.taken_at - evidence.ours()["beat"].started_at > STARTING)


def _beat_pid_file(evidence: Evidence) -> str:
    file = next((f for f in evidence.pid_files.value or () if f.program == "beat"), None)
    if file is None:
        return ""
    return f"; celerybeat.pid names pid {file.pid}, which " + (
        "belongs to another program" if file.alive else "is gone"
    )


@rule(
    rank=Rank.PROGRAMS,
    meaning="Its queue is not worked on.",
    seen_by="no worker process of ours for one of the queues",
    fix=RESTART,
    stops=Stops.UPSERTER,
    follows="not_running program_crashing disk_full home_not_writable",
    alert=None,
)
def worker_down(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours()
    if evidence.processes.known and ours:
        for name in WORKERS:
            if name not in ours:
                yield Finding(f"{name} does not run", start_again(evidence))


@rule(
    rank=Rank.PROGRAMS,
    meaning="A stopped process holds its task and hears nothing.",
    seen_by="the state T of a worker or one of its children",
    fix=f"kill -CONT <pid>, or {RESTART}",
    stops=Stops.UPSERTER,
    alert=None,
)
def worker_suspended(evidence: Evidence) -> Iterator[Finding]:
    yield from _suspended(evidence, workers=True)


def _suspended(evidence: Evidence, *, workers: bool) -> Iterator[Finding]:
    for process in evidence.processes.value.ours if evidence.processes.value else ():
        if process.suspended and _is_worker(process) == workers:
            pids = " ".join(map(str, process.suspended))
            yield Finding(f"{process.program} is stopped by a signal (pid {pids})", f"kill -CONT {pids}")


def _is_worker(process: Process) -> bool:
    return (process.program or "").startswith("worker")
