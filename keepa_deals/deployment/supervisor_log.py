"""What the supervisor did of late, by its own log: how often each program came back, and when it was down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keepa_deals.deployment.log_files import SUPERVISOR_LOG
from keepa_deals.deployment.log_tail import read_end

_LINE = re.compile(r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \w+ (?P<what>.*)")
_EVENTS = (
    ("spawned", re.compile(r"spawned: '(?P<name>[^']+)'")),
    ("died", re.compile(r"exited: (?P<name>\S+) \((?P<how>.*); not expected\)")),
    ("stopped", re.compile(r"(?:exited|stopped): (?P<name>\S+) \((?P<how>[^)]*)\)")),
)


@dataclass(frozen=True, slots=True)
class Down:
    """A time for which a program did not run; ``end`` is ``None`` when it is not back.

    ``died`` tells an unexpected end from one that was ordered.
    """

    start: datetime
    end: datetime | None
    how: str
    died: bool

    @property
    def seconds(self) -> float:
        """How long it lasted; 0 when it goes on."""
        return (self.end - self.start).total_seconds() if self.end else 0.0


@dataclass(frozen=True, slots=True)
class Supervision:
    """As far back as the supervisor's log is read."""

    downs: Mapping[str, tuple[Down, ...]]
    """Program → its ends, the last one last."""

    def deaths(self, program: str, since: datetime | None = None) -> list[Down]:
        """The unexpected ends of a program."""
        return [d for d in self.downs.get(program, ()) if d.died and (since is None or d.start >= since)]


def read_supervision(log_dir: Path) -> Supervision:
    """The end of ``supervisord.log``; ``OSError`` when it cannot be read."""
    return parse(read_end(log_dir / SUPERVISOR_LOG).splitlines())


def parse(lines: Iterable[str]) -> Supervision:
    """The supervisor's log, whose times are this machine's local time."""
    downs: dict[str, list[Down]] = {}
    for line in lines:
        entry = _LINE.match(line)
        if not entry:
            continue
        event, name, how = _event(entry["what"])
        if not event:
            continue
        at = datetime.strptime(entry["at"], "%Y-%m-%d %H:%M:%S").astimezone(UTC)  # local time
        if event == "spawned":
            _note_return(downs.get(name), at)
        else:
            downs.setdefault(name, []).append(Down(at, None, how, died=event == "died"))
    return Supervision({name: tuple(ends) for name, ends in downs.items()})


def _event(what: str) -> tuple[str, str, str]:
    for event, pattern in _EVENTS:
        if match := pattern.match(what):
            parts = match.groupdict()
            return event, parts.get("name", ""), parts.get("how", "")
    return "", "", ""


def _note_return(ends: list[Down] | None, at: datetime) -> None:
    if ends and ends[-1].end is None:
        last = ends[-1]
        ends[-1] = Down(last.start, at, last.how, last.died)
