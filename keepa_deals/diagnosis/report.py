"""The diagnosis as text and as JSON, and its exit code."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from keepa_deals.deployment.log_tail import read_tail
from keepa_deals.diagnosis import sections, sections_stores
from keepa_deals.diagnosis.causes import Cause, Past
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.find_machine import log_of
from keepa_deals.diagnosis.resolved import healed
from keepa_deals.diagnosis.rules import verdict
from keepa_deals.diagnosis.sections import Level, Line, complete
from keepa_deals.health.error_text import describe
from keepa_deals.health.report import iso

HEALTHY, PROBLEMS, BLIND = 0, 1, 2
WORDS = {HEALTHY: "healthy", PROBLEMS: "problems", BLIND: "incomplete"}
PARTS: Mapping[str, Callable[[Evidence], Iterator[Line]]] = {
    "processes": sections.processes,
    "pid files": sections.pid_files,
    "redis": sections_stores.redis,
    "locks": sections_stores.locks,
    "tokens": sections_stores.tokens,
    "keepa": sections_stores.keepa,
    "jobs": sections_stores.jobs,
    "queues": sections_stores.queues,
    "database": sections_stores.database,
    "deals": sections_stores.deals,
    "dashboard": sections.dashboard,
    "host": sections.host,
}
_OPEN_TO_ALL = ("processes", "host")
"""Sections that say something although the home is closed to us."""
ALWAYS = ("celery_beat.log", "celery_worker.log")
_MORE_LOGS = ("redis", "dashboard", "sandbox")
"""Programs whose log is shown when a cause speaks of them."""
_SUPERVISED = {"supervisor_down", "program_crashing", "worker_down", "beat_down", "not_running"}
_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "magenta"}
_GUTTER = 19
_NARROW = 30


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Facts, causes, what has healed, and the ends of the logs when something is wrong."""

    evidence: Evidence
    lines: tuple[Line, ...]
    causes: tuple[Cause, ...]
    past: tuple[Past, ...]
    logs: dict[str, list[str]]

    @property
    def exit_code(self) -> int:
        """0 healthy, 1 problems found, 2 could not look at everything and found nothing wrong.

        Wrong settings are 2: what the next start would do cannot be looked at.
        """
        if any(cause.rule.name != "settings_wrong" for cause in self.causes):
            return PROBLEMS
        return HEALTHY if complete(self.evidence) else BLIND


def diagnose(evidence: Evidence, *, log_lines: int, trouble: str = "") -> Diagnosis:
    """The diagnosis from the evidence; the logs are read only when there is something to explain.

    ``trouble`` is what the caller knows to have gone wrong: the logs of the programs it names are shown, too.
    """
    causes = verdict(evidence)
    lines = tuple(_lines(evidence))
    unwell = not evidence.blind and (bool(causes) or bool(trouble) or not complete(evidence))
    logs = _tails(evidence, _logs_that_matter(causes, trouble), log_lines) if unwell and log_lines else {}
    return Diagnosis(evidence, lines, causes, healed(evidence, causes), logs)


def _lines(evidence: Evidence) -> Iterator[Line]:
    for section, part in PARTS.items():
        if evidence.blind and section not in _OPEN_TO_ALL:
            yield Line(section, Level.UNKNOWN, "could not be looked at: the home is closed to us")
        else:
            yield from part(evidence)


def _tails(evidence: Evidence, names: Sequence[str], count: int) -> dict[str, list[str]]:
    found = {}
    for name in names:
        try:
            found[name] = read_tail(evidence.settings.log_dir / name, count)
        except OSError as error:
            found[name] = [describe(error)]
    return found


def _logs_that_matter(causes: tuple[Cause, ...], trouble: str) -> list[str]:
    names = {cause.rule.name for cause in causes}
    text = " ".join([trouble, *(f"{cause.rule.name} {cause.evidence}" for cause in causes)])
    more = [log_of(program) for program in _MORE_LOGS if program in text.lower()]
    if "worker-backfill" in text or "backfill_deals" in text:
        more.append(log_of("worker-backfill"))
    if names & _SUPERVISED:
        more.append("supervisord.log")
    return [*ALWAYS, *more]


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The JSON of ``--json``; ``schema.json`` beside this file describes it."""
    return {
        "version": 1,
        "taken_at": iso(diagnosis.evidence.report.taken_at),
        "verdict": WORDS[diagnosis.exit_code],
        "causes": [
            {
                "rule": cause.rule.name,
                "evidence": cause.evidence,
                "meaning": cause.rule.meaning,
                "fix": cause.fix,
                "follows_from": list(cause.follows_from),
            }
            for cause in diagnosis.causes
        ],
        "past": [{"rule": past.rule, "evidence": past.evidence} for past in diagnosis.past],
        "sections": [{"section": x.section, "level": str(x.level), "text": x.text} for x in diagnosis.lines],
        "logs": diagnosis.logs,
    }


def to_text(diagnosis: Diagnosis, *, width: int) -> Iterator[str]:
    """The lines for a terminal of ``width`` columns, coloured; whoever prints them drops unwanted colours."""
    section = ""
    for line in diagnosis.lines:
        name = line.section if line.section != section else ""
        section = line.section
        mark = click.style(f"{line.level:<7}", fg=_COLOURS[line.level])
        head, *rest = _wrapped(line.text, width - _GUTTER)
        yield f"{name:<10} {mark} {head}"
        yield from (" " * _GUTTER + more for more in rest)
    yield ""
    yield from _verdict(diagnosis, width)
    for name, lines in diagnosis.logs.items():
        yield ""
        yield click.style(f"-- the end of {name}", bold=True)
        for entry in lines or ["(empty)"]:
            yield from (f"   {part}" for part in _wrapped(entry, width - 3, indent="    "))


def _wrapped(text: str, width: int, *, indent: str = "") -> list[str]:
    """``text`` in lines of at most ``width``, broken at spaces; its own indentation stays."""
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text,
        max(_NARROW, width),
        break_on_hyphens=False,
        drop_whitespace=True,
        initial_indent="",
        subsequent_indent=lead + indent,
    ) or [""]


def _verdict(diagnosis: Diagnosis, width: int) -> Iterator[str]:
    if diagnosis.exit_code == HEALTHY:
        yield click.style(
            "healthy: deals are being refreshed, and nothing looks wrong", fg="green", bold=True
        )
    elif diagnosis.exit_code == BLIND:
        words = "nothing wrong was seen in what runs, but not everything could be looked at"
        blind = dict.fromkeys(line.section for line in diagnosis.lines if line.level is Level.UNKNOWN)
        words += f": {', '.join(blind)}" if blind else ""
        yield from (click.style(part, fg="magenta", bold=True) for part in _wrapped(words, width))
    for number, cause in enumerate(diagnosis.causes, 1):
        title = f"{number}. {cause.rule.name}"
        head, *rest = _wrapped(f"{title}: {cause.rule.meaning}", width, indent="   ")
        colour = "yellow" if cause.follows_from else "red"
        yield click.style(title, fg=colour, bold=True) + head.removeprefix(title)
        yield from rest
        if cause.follows_from:
            yield from _labelled("follows", ", ".join(cause.follows_from), width)
        yield from _labelled("evidence", cause.evidence, width)
        if not cause.follows_from:
            yield from _labelled("fix", cause.fix, width)
    if diagnosis.past:
        yield ""
        yield click.style("healed within the last hour:", bold=True)
        for past in diagnosis.past:
            head, *rest = _wrapped(f"{past.rule}: {past.evidence}", width - 5)
            yield f"   - {head}"
            yield from (" " * 5 + more for more in rest)


def _labelled(label: str, text: str, width: int) -> Iterator[str]:
    head, *rest = _wrapped(text, width - 13)
    yield f"   {label + ':':<10}{head}"
    yield from (" " * 13 + more for more in rest)
