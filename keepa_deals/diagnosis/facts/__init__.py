"""What the evidence says, one fact a line; a module a section of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts import (
    dashboard,
    database,
    deals,
    host,
    jobs,
    keepa,
    locks,
    pid_files,
    processes,
    queues,
    redis,
    tokens,
)
from keepa_deals.diagnosis.facts.base import Level, Line

__all__ = ["SECTIONS", "Level", "Line", "facts"]

SECTIONS: Mapping[str, Callable[[Evidence], Iterator[Line]]] = {
    "processes": processes.lines,
    "pid files": pid_files.lines,
    "redis": redis.lines,
    "locks": locks.lines,
    "tokens": tokens.lines,
    "keepa": keepa.lines,
    "jobs": jobs.lines,
    "queues": queues.lines,
    "database": database.lines,
    "deals": deals.lines,
    "dashboard": dashboard.lines,
    "host": host.lines,
}
"""The sections of the report, in their order."""
_OPEN_TO_ALL = ("processes", "host")
"""Sections that say something although the home is closed to us."""


def facts(evidence: Evidence) -> Iterator[Line]:
    """Every section's lines; a section that is closed to us says so."""
    for name, section in SECTIONS.items():
        if evidence.blind and name not in _OPEN_TO_ALL:
            yield Line(name, Level.UNKNOWN, "could not be looked at: the home is closed to us")
        else:
            yield from section(evidence)
