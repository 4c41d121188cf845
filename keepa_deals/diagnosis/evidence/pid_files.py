"""The pid files of the home: what they name, and whether that is alive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

BEAT_PID_FILE = "celerybeat"


@dataclass(frozen=True, slots=True)
class PidFile:
    """One pid file: the pid it names (``None``: not a number) and whether that process is alive."""

    name: str
    pid: int | None
    alive: bool

    @property
    def program(self) -> str:
        """The program that the file belongs to."""
        return "beat" if self.name == BEAT_PID_FILE else self.name


def read_pid_files(home: Path) -> tuple[PidFile, ...]:
    return tuple(_pid_file(path) for path in sorted((home / "run").glob("*.pid")))


def _pid_file(path: Path) -> PidFile:
    try:
        pid = int(path.read_text(encoding="ascii", errors="replace").split()[0])
        return PidFile(path.stem, pid, alive=psutil.pid_exists(pid))
    except (ValueError, IndexError, OverflowError):
        return PidFile(path.stem, None, alive=False)


def recorded_pids(home: Path) -> dict[str, int]:
    """Program → pid, as far as the files can be read."""
    try:
        return {file.program: file.pid for file in read_pid_files(home) if file.pid is not None}
    except OSError:
        return {}
