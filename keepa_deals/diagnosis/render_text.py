"""The diagnosis as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from keepa_deals.diagnosis.diagnose import BLIND, HEALTHY, Diagnosis
from keepa_deals.diagnosis.facts import Level

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "magenta"}
_GUTTER = 19
_NARROW = 30


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
