"""Causes in the machine: processes, supervisor, disk, memory, the home, settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from keepa_deals.deployment.process_table import Process
from keepa_deals.deployment.supervisor_log import Down
from keepa_deals.diagnosis.causes import START, Finding
from keepa_deals.diagnosis.errors_of_jobs import last_error
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.health.readiness import age_text

CRASHES = 3
CRASHES_WITHIN = timedelta(minutes=10)
CRASH_QUIET = timedelta(seconds=15)
"""So long after its last end at least a program counts as still crashing; four times that at most."""
OWN_LOGS = {
    "beat": "celery_beat.log",
    "worker-upsert": "celery_worker.log",
    "worker-backfill": "celery_worker_backfill.log",
}
STARTING = timedelta(seconds=30)
"""A program that is younger may not answer yet."""
_NOT_THE_SERVICE = {"sandbox", "redis"}


def log_of(program: str) -> str:
    """The log file of a program."""
    return OWN_LOGS.get(program, f"{program}.log")


def not_running(e: Evidence) -> Iterator[Finding]:
    table = e.processes.value
    if table is not None and not table.unknown and not e.ours().keys() - _NOT_THE_SERVICE:
        yield Finding("none of the service's processes runs")


def settings_wrong(e: Evidence) -> Iterator[Finding]:
    if e.settings_error:
        words = e.settings_error.replace("\n", "; ")
        still = "; what runs still uses the old ones" if e.ours() else ""
        yield Finding(f"{words}{still}")


def disk_full(e: Evidence) -> Iterator[Finding]:
    host = e.report.host.value
    if host and host.disk_is_full:
        nodes = ", no inode" if host.inodes_free == 0 else ""
        where = e.settings.keepa_deals_home
        yield Finding(
            f"{host.disk_free >> 10} KB of {host.disk_total >> 20} MB{nodes} are free at {where}",
            f"make room there (du -xh {where} | sort -h | tail); the service goes on by itself",
        )
    elif text := last_error(e, "disk_full"):
        yield Finding(text)


def memory_short(e: Evidence) -> Iterator[Finding]:
    host = e.report.host.value
    if host and host.memory_is_short:
        yield Finding(f"{host.memory_available >> 20} of {host.memory_total >> 20} MB are available")


def home_not_writable(e: Evidence) -> Iterator[Finding]:
    home = e.home.value
    if home is None or not home.exists or not home.readable:
        return
    if home.read_only:
        yield Finding(
            f"cannot be written: {', '.join(home.read_only)}",
            f"chmod -R u+rwX {home.path} (or mount its file system read-write), then {START}",
        )
    elif home.misowned:
        yield Finding(
            f"the home belongs to {home.owner}, but not {', '.join(home.misowned)}",
            f"chown -R {home.owner} {home.path}, then {START}",
        )
    elif text := last_error(e, "home_not_writable"):
        yield Finding(text)


def home_exposed(e: Evidence) -> Iterator[Finding]:
    home = e.home.value
    if home and home.exists and home.mode & 0o077:
        yield Finding(f"{home.path} has the mode {home.mode:04o}", f"chmod 700 {home.path}")
    for file in home.exposed_secrets if home else ():
        yield Finding(f"{file} may be read by others", f"chmod 600 {file}")


def supervisor_down(e: Evidence) -> Iterator[Finding]:
    ours = e.ours()
    if e.processes.known and ours.keys() - {"supervisord", "sandbox"} and "supervisord" not in ours:
        yield Finding("supervisord is gone: what dies now stays dead")


def process_suspended(e: Evidence) -> Iterator[Finding]:
    yield from _suspended(e, workers=False)


def worker_suspended(e: Evidence) -> Iterator[Finding]:
    yield from _suspended(e, workers=True)


def _suspended(e: Evidence, *, workers: bool) -> Iterator[Finding]:
    for process in e.processes.value.ours if e.processes.value else ():
        if process.suspended and _is_worker(process) == workers:
            pids = " ".join(map(str, process.suspended))
            yield Finding(f"{process.program} is stopped by a signal (pid {pids})", f"kill -CONT {pids}")


def _is_worker(process: Process) -> bool:
    return (process.program or "").startswith("worker")


def program_crashing(e: Evidence) -> Iterator[Finding]:
    if e.supervision.value is None or "supervisord" not in e.ours():
        return
    since = e.report.taken_at - CRASHES_WITHIN
    for program in e.supervision.value.downs:
        deaths = e.supervision.value.deaths(program, since)
        if len(deaths) >= CRASHES and e.report.taken_at - deaths[-1].start < _due(deaths):
            when = age_text(deaths[-1].start, e.report.taken_at)
            yield Finding(
                f"{program} ended {len(deaths)} times within 10 minutes, last {when} ({deaths[-1].how})",
                f"read the end of {e.settings.log_dir / log_of(program)}",
            )


def _due(deaths: Sequence[Down]) -> timedelta:
    """The time within which the next end would be due, going by the last ones."""
    usual = (deaths[-1].start - deaths[-CRASHES].start) / (CRASHES - 1)
    return max(CRASH_QUIET, min(4 * CRASH_QUIET, 2 * usual))


def beat_down(e: Evidence) -> Iterator[Finding]:
    ours = e.ours()
    if not e.processes.known or not ours:
        return
    if "beat" not in ours:
        yield Finding("no Celery beat of this deployment runs" + _beat_pid_file(e), _start_again(e))
    elif any(problem.name == "beat_down" for problem in e.report.problems) and _should_have_ticked(e):
        yield Finding(f"beat runs, but its last tick was {age_text(e.report.beat.value, e.report.taken_at)}")


def _should_have_ticked(e: Evidence) -> bool:
    return bool(e.report.taken_at - e.ours()["beat"].started_at > STARTING)


def _beat_pid_file(e: Evidence) -> str:
    file = next((f for f in e.pid_files.value or () if f.program == "beat"), None)
    if file is None:
        return ""
    return f"; celerybeat.pid names pid {file.pid}, which " + (
        "belongs to another program" if file.alive else "is gone"
    )


def worker_down(e: Evidence) -> Iterator[Finding]:
    ours = e.ours()
    if e.processes.known and ours:
        for name in ("worker-upsert", "worker-backfill"):
            if name not in ours:
                yield Finding(f"{name} does not run", _start_again(e))


def sandbox_down(e: Evidence) -> Iterator[Finding]:
    ours = e.ours()
    if e.with_sandbox and e.processes.known and ours and "sandbox" not in ours:
        yield Finding(f"the sandbox at {e.settings.keepa_api_url} does not run", _start_again(e))


def doubled(e: Evidence) -> Iterator[Finding]:
    table = e.processes.value
    for program in ("beat", "worker-upsert", "worker-backfill", "supervisord"):
        twins = table.of(program) if table else ()
        if len(twins) > 1:
            pids = ", ".join(str(twin.pid) for twin in twins)
            yield Finding(f"{program} runs {len(twins)} times (pids {pids})")


def _start_again(e: Evidence) -> str | None:
    """A supervisor that lives was told to keep the program down; so it must be told again."""
    ctl = ".venv/bin/supervisorctl"
    conf = e.settings.run_dir / "supervisord.conf"
    return f"{ctl} -c {conf} start all" if "supervisord" in e.ours() else None


def dashboard_down(e: Evidence) -> Iterator[Finding]:
    if not e.dashboard.error or not e.ours():
        return
    if "dashboard" not in e.ours():
        yield Finding("the dashboard's process does not run", _start_again(e))
    elif e.report.taken_at - e.ours()["dashboard"].started_at > STARTING:
        yield Finding(f"it does not answer: {e.dashboard.error}")


def dashboard_disagrees(e: Evidence) -> Iterator[Finding]:
    deals = e.report.deals.value
    shown = ((e.dashboard.value or {}).get("deals") or {}).get("live")
    if deals is not None and shown is not None and abs(shown - deals.live) > max(5, deals.live // 20):
        where = e.settings.dashboard_bind
        yield Finding(f"{where} shows {shown} live deals, the table has {deals.live}")
