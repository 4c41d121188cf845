"""The end of a log, condensed: repeated lines counted, tracebacks whole, secrets removed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from keepa_deals.health.words import redact

MOST_BYTES = 256 * 1024
_VARIABLE = re.compile(r"\d[\d:.,T-]*Z?|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32,}\b")


def read_tail(path: Path, lines: int) -> list[str]:
    """The last ``lines`` condensed lines of a log; ``OSError`` when it cannot be read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    return list(condense(redact(text).splitlines()))[-lines:]


def condense(lines: Iterable[str]) -> Iterator[str]:
    """Lines that differ only in numbers, times and ids become one, with how often it came."""
    last, shape, count = "", None, 0
    for line in lines:
        if not line.strip():
            continue
        form = _VARIABLE.sub("#", line)
        if form == shape and not line.startswith((" ", "Traceback")):
            last, count = line, count + 1
            continue
        if shape is not None:
            yield _counted(last, count)
        last, shape, count = line, form, 1
    if shape is not None:
        yield _counted(last, count)


def _counted(line: str, count: int) -> str:
    return line if count == 1 else f"{line}   (× {count})"
