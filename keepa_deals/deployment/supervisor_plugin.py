"""Runs inside the supervisor: short pauses between restarts, for ever, and a pid file for each program."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from supervisor import events

MAX_PAUSE = 5
"""Seconds between two attempts to start what keeps dying; supervisor's own pause grows without end."""

_ENDED = (
    events.ProcessStateExitedEvent,
    events.ProcessStateStoppedEvent,
    events.ProcessStateBackoffEvent,
    events.ProcessStateFatalEvent,
)


class Plugin:
    """Listens to the supervisor's own events; has no remote methods."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        events.subscribe(events.ProcessStateRunningEvent, self._running)
        events.subscribe(events.ProcessStateBackoffEvent, self._failed)
        for kind in _ENDED:
            events.subscribe(kind, self._ended)

    def _running(self, event: Any) -> None:
        path = self._pid_file(event)
        if path is not None:
            with contextlib.suppress(OSError):  # a full disk must not end the supervisor
                path.write_text(f"{event.process.pid}\n", encoding="ascii")

    def _failed(self, event: Any) -> None:
        process = event.process
        process.backoff = min(process.backoff, MAX_PAUSE)
        process.delay = min(process.delay, time.time() + MAX_PAUSE)

    def _ended(self, event: Any) -> None:
        path = self._pid_file(event)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _pid_file(self, event: Any) -> Path | None:
        name = event.process.config.name
        return None if name == "beat" else self._run_dir / f"{name}.pid"  # beat writes its own


def make(supervisord: Any, run_dir: str) -> Plugin:
    """The plugin, as supervisor's configuration asks for it."""
    del supervisord
    return Plugin(Path(run_dir))
