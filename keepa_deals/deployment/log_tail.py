"""The end of a log, condensed: repeated lines counted, tracebacks whole, secrets removed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from keepa_deals.redaction import redact

MAX_BYTES = 256 * 1024
CYCLE = 8
"""So many different lines back, one that came before is recognised."""
_CHAIN = ("During handling of the above exception", "The above exception was the direct cause")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_VARIABLE = re.compile(rf"{_UUID.pattern}|\b[0-9a-f]{{8}}…|\b[0-9a-f]{{32,}}\b|\d[\d:.,T-]*(?:e-\d+)?Z?")
_TROUBLE = re.compile(r"(?P<at>\d{4}-\d\d-\d\dT[\d:.]+)Z (?:WARNING|ERROR|CRITICAL)\s+\d+ \S+ (?P<text>.*)")


def read_end(path: Path, limit: int = MAX_BYTES) -> str:
    """The last ``limit`` bytes of a log, from the first whole line on; ``OSError`` when it cannot be read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit))
        text = file.read().decode("utf-8", errors="replace")
    return text if size <= limit else text.partition("\n")[2]


def read_tail(path: Path, lines: int) -> list[str]:
    """About the last ``lines`` condensed lines of a log: a traceback is never cut."""
    tail: list[str] = []
    text = _UUID.sub(lambda match: f"{match[0][:8]}…", redact(read_end(path)))
    for block in reversed(_condensed(text.splitlines())):
        if len(tail) >= lines:
            break
        tail = [*block, *tail]
    return tail


def _condensed(lines: Iterable[str]) -> list[list[str]]:
    """Lines and tracebacks that differ only in numbers, times and ids become one, with how often it came.

    What repeats need not be adjacent: a cycle of a few lines becomes one cycle, each line counted.
    """
    done: list[list[str]] = []
    recent: dict[str, tuple[list[str], int]] = {}
    for block in _blocks(lines):
        shape = _VARIABLE.sub("#", "\n".join(block))
        _, count = recent.pop(shape, (block, 0))
        recent[shape] = block, count + 1
        if len(recent) > CYCLE:
            done.append(_counted(*recent.pop(next(iter(recent)))))
    return done + [_counted(block, count) for block, count in recent.values()]


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Single lines, and whole tracebacks with those that they are chained to."""
    block: list[str] = []
    for line in lines:
        if not line.strip():
            continue
        inside = bool(block) and (
            block[-1].startswith((" ", "Traceback", *_CHAIN)) or line.startswith((" ", *_CHAIN))
        )
        if block and not inside:
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _counted(block: list[str], count: int) -> list[str]:
    return block if count == 1 else [*block[:-1], f"{block[-1]}   (× {count})"]


def troubles(lines: Iterable[str], since: datetime) -> Iterator[tuple[datetime, str]]:
    """The warnings and errors of a log of ours after ``since``: when, and the words."""
    for line in lines:
        if match := _TROUBLE.match(line):
            at = datetime.fromisoformat(match["at"]).replace(tzinfo=UTC)
            if at > since:
                yield at, redact(match["text"])
