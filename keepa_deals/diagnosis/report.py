"""The diagnosis as text and as JSON, and its exit code."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from keepa_deals.diagnosis.evidence import Evidence
from keepa_deals.diagnosis.logtail import read_tail
from keepa_deals.diagnosis.rules import Cause, verdict
from keepa_deals.diagnosis.sections import Level, Line, complete, lines_of
from keepa_deals.health.report import iso
from keepa_deals.health.words import describe

HEALTHY, PROBLEMS, BLIND = 0, 1, 2
LOGS = ("celery_beat.log", "celery_worker.log", "celery_worker_backfill.log", "supervisord.log", "redis.log")
_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "magenta"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Facts, causes, and the ends of the logs when something is wrong."""

    evidence: Evidence
    lines: tuple[Line, ...]
    causes: tuple[Cause, ...]
    logs: dict[str, list[str]]

    @property
    def exit_code(self) -> int:
        """0 healthy, 1 problems found, 2 could not look at everything and found nothing wrong."""
        if self.causes:
            return PROBLEMS
        return HEALTHY if complete(self.evidence) else BLIND


def diagnose(evidence: Evidence, *, log_lines: int) -> Diagnosis:
    """The diagnosis from the evidence; the logs are read only when there is something to explain."""
    causes = verdict(evidence)
    logs = _tails(evidence, log_lines) if causes or not complete(evidence) else {}
    return Diagnosis(evidence, lines_of(evidence), causes, logs)


def _tails(evidence: Evidence, count: int) -> dict[str, list[str]]:
    found = {}
    for name in LOGS[:2] if evidence.report.redis.known else LOGS:
        try:
            found[name] = read_tail(evidence.settings.log_dir / name, count)
        except OSError as error:
            found[name] = [describe(error)]
    return found


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The JSON of ``--json``; its schema is in docs/diagnosis.md."""
    words = {HEALTHY: "healthy", PROBLEMS: "problems", BLIND: "incomplete"}
    return {
        "version": 1,
        "taken_at": iso(diagnosis.evidence.report.taken_at),
        "verdict": words[diagnosis.exit_code],
        "causes": [
            {"rule": c.rule.name, "evidence": c.evidence, "meaning": c.rule.meaning, "fix": c.rule.fix}
            for c in diagnosis.causes
        ],
        "sections": [{"section": x.section, "level": str(x.level), "text": x.text} for x in diagnosis.lines],
        "logs": diagnosis.logs,
    }


def to_text(diagnosis: Diagnosis, *, width: int) -> Iterator[str]:
    """The lines for a terminal of ``width`` columns; click drops the colours where there is none."""
    section = ""
    for line in diagnosis.lines:
        name = line.section if line.section != section else ""
        section = line.section
        mark = click.style(f"{line.level:<7}", fg=_COLOURS[line.level])
        text = textwrap.wrap(line.text, max(30, width - 20)) or [""]
        yield f"{name:<10} {mark} {text[0]}"
        yield from (" " * 19 + more for more in text[1:])
    yield ""
    yield from _verdict(diagnosis, width)
    for name, lines in diagnosis.logs.items():
        yield ""
        yield click.style(f"-- the end of {name}", bold=True)
        yield from (f"   {line}" for line in lines or ["(empty)"])


def _verdict(diagnosis: Diagnosis, width: int) -> Iterator[str]:
    if diagnosis.exit_code == HEALTHY:
        yield click.style(
            "healthy: deals are being refreshed, and nothing looks wrong", fg="green", bold=True
        )
    elif diagnosis.exit_code == BLIND:
        yield click.style(
            "nothing wrong was seen, but not everything could be looked at", fg="magenta", bold=True
        )
    for number, cause in enumerate(diagnosis.causes, 1):
        yield click.style(f"{number}. {cause.rule.name}", fg="red", bold=True) + f": {cause.rule.meaning}"
        wrapped = textwrap.wrap(cause.evidence, max(30, width - 15))
        yield "   evidence: " + ("\n" + " " * 13).join(wrapped)
        yield f"   fix:      {cause.rule.fix}"
