"""The programs that should run, strangers' like them, and those that nobody here can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from keepa_deals.deployment.processes import ALWAYS_THERE, Process
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if

RESTARTS_TO_WORRY = 3


def expected(evidence: Evidence) -> tuple[str, ...]:
    """The programs that should run in this deployment."""
    redis = ("redis",) if evidence.embedded_redis else ()
    return (*ALWAYS_THERE, *redis, *(("sandbox",) if evidence.with_sandbox else ()))


def lines(evidence: Evidence) -> Iterator[Line]:
    """Each program that should run, then strangers, then those that nobody here can tell."""
    table = evidence.processes.value
    if table is None:
        yield Line("processes", Level.UNKNOWN, str(evidence.processes.error))
        return
    missing = [name for name in expected(evidence) if name not in evidence.ours()]
    if evidence.blind:
        yield Line("processes", Level.UNKNOWN, _closed(evidence))
    else:
        for name in expected(evidence):
            yield _program(evidence, name)
    for kind in _kinds(table.strangers):
        yield Line("processes", Level.OK, f"not ours: {kind}")
    level = Level.UNKNOWN if missing and not evidence.blind else Level.OK
    for kind in _kinds(table.unknown):
        yield Line("processes", level, f"cannot tell whose (its user or root could): {kind}")


def _kinds(processes: Iterable[Process]) -> Iterator[str]:
    """Programs like ours by kind, other people's Celery by its command: whose they are, and the pids."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for process in processes:
        kinds.setdefault((process.program or _short(process), process.user), []).append(str(process.pid))
    for (kind, user), pids in kinds.items():
        yield f"{kind} of {user}, pid {', '.join(pids)}"


def _closed(evidence: Evidence) -> str:
    home = evidence.home.value
    if home is None:
        return str(evidence.home.error)
    return (
        f"{home.path} is closed to {home.user}, so the settings in force, the stores and whose process is "
        f"whose cannot be seen: run this as {home.owner} or as root"
    )


def _program(evidence: Evidence, name: str) -> Line:
    process = evidence.ours().get(name)
    if process is None:
        level = Level.WARN if name == "guard" else Level.FAIL  # without it all works, until a supervisor dies
        return Line("processes", level, f"{name}: not running")
    since = evidence.age(process.started_at).removesuffix(" ago")
    twins = len(evidence.processes.value.of(name)) if evidence.processes.value else 1
    parts = [
        f"{name}: pid {process.pid}",
        f"up {since}",
        f"{process.memory >> 20} MB",
        *_restarts(evidence, name),
    ]
    parts += ["stopped by a signal"] if process.suspended else []
    parts += [f"runs {twins} times"] if twins > 1 else []
    level = Level.FAIL if process.suspended or twins > 1 else warn_if(_crashed_often(evidence, name))
    return Line("processes", level, ", ".join(parts))


def _restarts(evidence: Evidence, name: str) -> Iterator[str]:
    if name == "supervisord" or evidence.supervision.value is None:
        return
    downs = evidence.supervision.value.downs.get(name, ())
    if downs:
        times = "restarted once" if len(downs) == 1 else f"restarted {len(downs)} times"
        yield f"{times}, last {evidence.age(downs[-1].start)} ({downs[-1].how})"


def _crashed_often(evidence: Evidence, name: str) -> bool:
    supervision = evidence.supervision.value
    hour = evidence.report.taken_at - timedelta(hours=1)
    return supervision is not None and len(supervision.deaths(name, hour)) >= RESTARTS_TO_WORRY


def _short(process: Process) -> str:
    return process.command if len(process.command) <= 70 else process.command[:69] + "…"
