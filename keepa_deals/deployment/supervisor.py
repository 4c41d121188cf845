"""Talks to the deployment's supervisor: starts it, asks it, tells it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import SUPERVISOR_LOG
from keepa_deals.deployment.processes import home_of, is_our_supervisor, marks, recorded
from keepa_deals.deployment.supervisor_config import WARM_SHUTDOWN, supervisor_socket
from keepa_deals.settings import PROJECT_ROOT, inherited_environment

ANSWER_TIMEOUT = 30
SMALL = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Without what nobody needs: heaps of glibc's for each of many threads that take turns anyway, and NumPy's
threads for algebra. What was freed goes back to the system: else glibc takes a large piece that it has seen
freed for a sign that more will come, and keeps up to 64 MB at hand for the rest of a process's life."""
UNREACHABLE = (OSError, HTTPException, xmlrpc.client.Error)


@dataclass(frozen=True, slots=True)
class Supervised:
    """A program as the supervisor sees it; ``state`` is its word: RUNNING, STARTING, BACKOFF, …"""

    name: str
    state: str
    pid: int
    detail: str
    since: int
    """When it was last started, or stopped: Unix seconds."""


def live_supervisor(home: Home) -> psutil.Process | None:
    """The deployment's supervisor process; ``None`` when it does not run."""
    process = recorded(home.supervisor_pid)
    return process if process is not None and is_our_supervisor(process, home.path) else None


def home_at_start(supervisor: psutil.Process) -> str | None:
    """The home's path when a supervisor was started; ``None`` when it is gone."""
    try:
        return home_of(supervisor.environ())
    except (psutil.Error, OSError):
        return None


def supervisor_above(home: Home) -> psutil.Process | None:
    """Our own parent when it is the deployment's supervisor, whatever its pid file says."""
    try:
        parent = psutil.Process(os.getppid())
    except psutil.NoSuchProcess:
        return None
    return parent if is_our_supervisor(parent, home.path) else None


def states(home: Home) -> list[Supervised]:
    """Every program's state; an ``OpsError`` when the supervisor does not answer."""
    return [
        Supervised(
            str(p["name"]),
            str(p["statename"]),
            int(p["pid"]),
            str(p["spawnerr"] or p["description"]),
            int(p["start"]),
        )
        for p in _ask(home, "getAllProcessInfo")
    ]


def stopped(home: Home) -> list[str]:
    """The programs that the supervisor was told to stop, or has given up; those about to stop are awaited."""
    deadline = time.monotonic() + WARM_SHUTDOWN
    while any(p.state == "STOPPING" for p in states(home)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return [p.name for p in states(home) if p.state in ("STOPPED", "EXITED", "FATAL")]


def launch(home: Home) -> None:
    """Start the supervisor in the background; it starts the programs. An ``OpsError`` when it can't."""
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(home.supervisor_conf)]
    done = subprocess.run(  # noqa: S603  # our own interpreter and file
        command,
        env=environment(home),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise OpsError(f"the supervisor did not start: {(done.stderr or done.stdout).strip()}")


def stop_program(home: Home, name: str) -> None:
    """Stop one program, or the attempts to start it; return when it has ended."""
    _ask(home, "stopProcess", name, content_with=Faults.NOT_RUNNING)


def start_program(home: Home, name: str) -> None:
    """Start one program, and return when it runs; nothing happens when it runs already."""
    _ask(home, "startProcess", name, content_with=Faults.ALREADY_STARTED)


def apply_configuration(home: Home) -> None:
    """Let the supervisor read its file again and start, stop or restart what differs from what it runs."""
    ((added, changed, removed),) = _ask(home, "reloadConfig")
    for name in (*removed, *changed):
        _ask(home, "stopProcessGroup", name)
        _ask(home, "removeProcessGroup", name)
    for name in (*changed, *added):
        _ask(home, "addProcessGroup", name)


def environment(home: Home) -> Mapping[str, str]:
    """What every process of the deployment inherits: the proof of whose it is, and nothing secret."""
    return {**inherited_environment(), **marks(home.path), "PYTHONUNBUFFERED": "1", **SMALL}


def _ask(home: Home, method: str, *arguments: Any, content_with: int | None = None) -> Any:
    """The supervisor's answer; ``content_with`` is the fault that means that there was nothing to do."""
    transport = SupervisorTransport(None, None, f"unix://{supervisor_socket(home)}")
    proxy = xmlrpc.client.ServerProxy("http://supervisor", transport=transport)
    try:
        return getattr(proxy.supervisor, method)(*arguments)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == content_with:
            return None
        raise OpsError(
            f"the supervisor cannot do {method} {' '.join(map(str, arguments))}: {fault.faultString}; "
            f"see the logs in {home.log}"
        ) from None
    except UNREACHABLE as error:
        raise OpsError(f"the supervisor does not answer ({error}); see {home.log / SUPERVISOR_LOG}") from None
    finally:
        transport.close()
