"""Watches over the supervisor as the supervisor does over it, over operations that died half-way, and
over a dashboard that is alive and answers nobody.

So whichever process is killed, another one brings it back; only when both go at the same moment is it
up to systemd or to the operator.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time

import psutil

from keepa_deals.deployment import supervisor
from keepa_deals.deployment.dashboard_probe import DashboardProbe
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import log_of
from keepa_deals.deployment.operation_lock import abandoned
from keepa_deals.settings import PROJECT_ROOT

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks for an operation that died; the supervisor's death is noticed at once."""
TRY_AGAIN = 5.0
HEALED, FAILED, BUSY = 0, 1, 3
"""Exit codes of one try to heal: as those of a start (``ops.cli``)."""
MAX_LOG_BYTES = 10_000_000
"""Bytes after which a watchdog that is on its own sets its log aside and begins another one."""


def watch(home: Home) -> None:
    """Return when a supervisor that is not our parent runs: it has a watchdog of its own.

    Nothing else ends it: once the supervisor is gone, nobody would start it again.
    """
    probe = DashboardProbe(home)
    while True:
        try:
            if not _is_needed_after_a_look(home):
                return
            probe.run()
        except Exception:
            log.exception("this failed in a way that nobody foresaw, and is tried again")
            time.sleep(TRY_AGAIN)


def _is_needed_after_a_look(home: Home) -> bool:
    """Do what there is to do now; waits a while for the supervisor's death when there is nothing."""
    parent = supervisor.supervisor_above(home)
    if parent is None and supervisor.live_supervisor(home) is not None:
        return False
    if parent is None:
        _reopen_log(home)
        _bring_back(home, "the supervisor is gone")
    elif (what := abandoned(home.operation_lock)) is not None:
        _bring_back(home, f"a {what} died before its end")
    else:
        with contextlib.suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
            parent.wait(timeout=LOOK_EVERY)
    return True


def _bring_back(home: Home, reason: str) -> None:
    """Try to; what fails is tried again after a pause."""
    code = heal_apart(home, reason)
    if code != HEALED:
        time.sleep(LOOK_EVERY if code == BUSY else TRY_AGAIN)


def heal_apart(home: Home, reason: str) -> int:
    """One try (``healing``) by an interpreter of its own, which has all of the code that the checkout has
    now, and gives its memory back; its exit code."""
    command = [sys.executable, "-m", "keepa_deals", "ops", "guard", "--heal", reason]
    done = subprocess.run(  # noqa: S603  # our own interpreter and code
        command, env=supervisor.environment(home), cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode


def _reopen_log(home: Home) -> None:
    """Write to the log file itself: what was our output ended with the supervisor that read it.

    Nobody else keeps the log short now.
    """
    path = home.log / log_of("guard")
    with contextlib.suppress(OSError):
        if path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(target, stream)
    os.close(target)
