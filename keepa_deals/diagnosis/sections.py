"""The evidence as lines for people: one fact a line, with ok, warn, fail or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from keepa_deals.deployment.process_table import Process
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.find_keepa import CLOCK_TOLERANCE, keepa_clock
from keepa_deals.health.readiness import age_text

EXPECTED = ("supervisord", "worker-upsert", "worker-backfill", "beat", "dashboard", "guard")
RESTARTS_TO_WORRY = 3


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One fact."""

    section: str
    level: Level
    text: str


def warn_if(condition: object) -> Level:
    """``warn`` where something is not as it should be, else ``ok``."""
    return Level.WARN if condition else Level.OK


def expected(e: Evidence) -> tuple[str, ...]:
    """The programs that should run in this deployment."""
    redis = ("redis",) if e.embedded_redis else ()
    return (*EXPECTED, *redis, *(("sandbox",) if e.with_sandbox else ()))


def complete(e: Evidence) -> bool:
    """Whether everything could be looked at: only then "healthy" means something."""
    own = (e.processes, e.pid_files, e.supervision, e.home, e.integrity, e.selection, e.dashboard)
    asked = (e.token_status,) if e.token_status is not None else ()
    readings = (*e.report.readings().values(), *own, *asked)
    balance = e.report.tokens.value is not None and e.report.tokens.value.available is not None
    return balance and not e.blind and not e.settings_error and all(reading.known for reading in readings)


def processes(e: Evidence) -> Iterator[Line]:
    """Each program that should run, then strangers, then those that nobody here can tell."""
    table = e.processes.value
    if table is None:
        yield Line("processes", Level.UNKNOWN, str(e.processes.error))
        return
    missing = [name for name in expected(e) if name not in e.ours()]
    if e.blind:
        yield Line("processes", Level.UNKNOWN, _closed(e))
    else:
        for name in expected(e):
            yield _program(e, name)
    for kind in _kinds(table.strangers):
        yield Line("processes", Level.OK, f"not ours: {kind}")
    level = Level.UNKNOWN if missing and not e.blind else Level.OK
    for kind in _kinds(table.unknown):
        yield Line("processes", level, f"cannot tell whose (its user or root could): {kind}")


def _kinds(found: Iterable[Process]) -> Iterator[str]:
    """Programs like ours by kind, other people's Celery by its command: whose they are, and the pids."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for process in found:
        kinds.setdefault((process.program or _short(process), process.user), []).append(str(process.pid))
    for (kind, user), pids in kinds.items():
        yield f"{kind} of {user}, pid {', '.join(pids)}"


def _closed(e: Evidence) -> str:
    home = e.home.value
    if home is None:
        return str(e.home.error)
    return (
        f"{home.path} is closed to {home.user}, so the settings in force, the stores and whose process is "
        f"whose cannot be seen: run this as {home.owner} or as root"
    )


def _program(e: Evidence, name: str) -> Line:
    process = e.ours().get(name)
    if process is None:
        level = Level.WARN if name == "guard" else Level.FAIL  # without it all works, until a supervisor dies
        return Line("processes", level, f"{name}: not running")
    since = age_text(process.started_at, e.report.taken_at).removesuffix(" ago")
    twins = len(e.processes.value.of(name)) if e.processes.value else 1
    parts = [f"{name}: pid {process.pid}", f"up {since}", f"{process.memory >> 20} MB", *_restarts(e, name)]
    parts += ["stopped by a signal"] if process.suspended else []
    parts += [f"runs {twins} times"] if twins > 1 else []
    level = Level.FAIL if process.suspended or twins > 1 else warn_if(_crashed_often(e, name))
    return Line("processes", level, ", ".join(parts))


def _restarts(e: Evidence, name: str) -> Iterator[str]:
    if name == "supervisord" or e.supervision.value is None:
        return
    downs = e.supervision.value.downs.get(name, ())
    if downs:
        times = "restarted once" if len(downs) == 1 else f"restarted {len(downs)} times"
        yield f"{times}, last {age_text(downs[-1].start, e.report.taken_at)} ({downs[-1].how})"


def _crashed_often(e: Evidence, name: str) -> bool:
    supervision = e.supervision.value
    hour = e.report.taken_at - timedelta(hours=1)
    return supervision is not None and len(supervision.deaths(name, hour)) >= RESTARTS_TO_WORRY


def _short(process: Process) -> str:
    return process.command if len(process.command) <= 70 else process.command[:69] + "…"


def pid_files(e: Evidence) -> Iterator[Line]:
    """Files whose process is gone are stale, those that name a process of somebody else are foreign."""
    table = e.processes.value
    ours = table.pids if table else frozenset()
    good = []
    for file in e.pid_files.value or ():
        if file.pid is None:
            yield Line("pid files", Level.WARN, f"{file.name}.pid is stale: it holds no pid")
        elif not file.alive:
            yield Line("pid files", Level.WARN, f"{file.name}.pid is stale: pid {file.pid} is gone")
        elif table and file.pid not in ours:
            yield Line("pid files", Level.WARN, f"{file.name}.pid is foreign: pid {file.pid} is not ours")
        else:
            good.append(f"{file.name} {file.pid}")
    if good:
        yield Line("pid files", Level.OK, ", ".join(good))
    if e.pid_files.error:
        yield Line("pid files", Level.UNKNOWN, e.pid_files.error)


def dashboard(e: Evidence) -> Iterator[Line]:
    """Its count against the table's."""
    if e.dashboard.value is None:
        yield Line("dashboard", Level.WARN, f"does not answer: {e.dashboard.error}")
        return
    if not e.dashboard.value:
        yield Line("dashboard", Level.OK, "answers; its count is behind a password")
        return
    shown = (e.dashboard.value.get("deals") or {}).get("live")
    deals = e.report.deals.value
    if deals is None or shown is None:
        yield Line(
            "dashboard", Level.WARN, f"answers, shows {shown if shown is not None else 'no'} live deals"
        )
        return
    agrees = abs(shown - deals.live) <= max(5, deals.live // 20)
    yield Line("dashboard", warn_if(not agrees), f"shows {shown} live deals, the table has {deals.live}")


def host(e: Evidence) -> Iterator[Line]:
    """The home, the disk, the memory, and the clocks."""
    yield from _home(e)
    if e.report.host.value is None:
        yield Line("host", Level.UNKNOWN, str(e.report.host.error))
    else:
        found = e.report.host.value
        nodes = f", {found.inodes_free} inodes" if found.inodes_free is not None else ""
        level = Level.FAIL if found.disk_is_full else Level.OK
        disk = f"disk: {found.disk_free >> 20} of {found.disk_total >> 20} MB{nodes} free"
        yield Line("host", level, disk)
        memory = f"memory: {found.memory_available >> 20} of {found.memory_total >> 20} MB available"
        yield Line("host", warn_if(found.memory_is_short), memory)
    yield from _clocks(e)


def _home(e: Evidence) -> Iterator[Line]:
    home = e.home.value
    if home is None:
        yield Line("host", Level.UNKNOWN, str(e.home.error))
    elif not home.exists:
        yield Line("host", Level.FAIL, f"home: {home.path} does not exist")
    elif not home.readable:
        yield Line("host", Level.UNKNOWN, f"home: {home.path} of {home.owner} is closed to {home.user}")
    else:
        wrong = [f"not writable: {name}" for name in home.read_only]
        wrong += [f"not {home.owner}'s: {name}" for name in home.misowned]
        text = ", ".join((f"home: {home.path} of {home.owner}, mode {home.mode:04o}", *wrong))
        yield Line("host", Level.FAIL if wrong else warn_if(home.mode & 0o077), text)
    if e.settings_error:
        yield Line(
            "host", Level.FAIL, f"settings of the next start: {e.settings_error.replace(chr(10), '; ')}"
        )
    if e.selection.error:
        yield Line("host", Level.FAIL, f"deal query: {e.selection.error}")


def _clocks(e: Evidence) -> Iterator[Line]:
    offsets = []
    redis, keepa = e.report.redis.value, keepa_clock(e)
    if keepa is not None:
        offsets.append(("Keepa", keepa))
    if redis:
        offsets.append(("Redis", (redis.clock - e.report.taken_at).total_seconds()))
    if offsets:
        wrong = any(abs(seconds) > CLOCK_TOLERANCE.total_seconds() for _, seconds in offsets)
        text = ", ".join(f"{name} is {seconds:+.1f} s from ours" for name, seconds in offsets)
        yield Line("host", Level.FAIL if wrong else Level.OK, f"clocks: {text}")
