"""The pid files: those in order, stale ones, foreign ones."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line


def lines(evidence: Evidence) -> Iterator[Line]:
    """Files whose process is gone are stale, those that name a process of somebody else are foreign."""
    table = evidence.processes.value
    ours = table.pids if table else frozenset()
    good = []
    for file in evidence.pid_files.value or ():
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
    if evidence.pid_files.error:
        yield Line("pid files", Level.UNKNOWN, evidence.pid_files.error)
