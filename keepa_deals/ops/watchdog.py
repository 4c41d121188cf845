"""Watches over the supervisor as the supervisor does over it, over operations that died half-way, and
over a dashboard that is alive and answers nobody.

So whichever process is killed, another one brings it back; only when both go at the same moment is it
up to systemd or to the operator.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time

import psutil

from keepa_deals.deployment import supervisor
from keepa_deals.deployment.dashboard_probe import DashboardProbe
from keepa_deals.deployment.errors import BusyError, OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import log_of
from keepa_deals.deployment.operation_lock import WATCHDOG, abandoned, only_one
from keepa_deals.errors import KeepaDealsError
from keepa_deals.ops import start as starting

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks for an operation that died; the supervisor's death is noticed at once."""
TRY_AGAIN = 5.0
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
    """Start what does not run, with the settings that it was started with; what fails is tried again.

    What was started and does not work is left to the supervisor: waiting would keep the operator away.
    """
    try:
        with only_one(home.operation_lock, WATCHDOG):
            log.warning("%s: starting what does not run", reason)
            try:
                starting.start(home, log.info, resume=True)
                log.warning("the service is whole again")
            except OpsError as error:
                if supervisor.live_supervisor(home) is None or supervisor.stopped(home):
                    raise
                log.error("everything was started, but %s", error)  # noqa: TRY400  # expected: no traceback
    except BusyError as error:
        log.info("%s, but %s", reason, error)
        time.sleep(LOOK_EVERY)
    except (KeepaDealsError, OSError) as error:  # a full disk, say: nobody would start us again
        log.error("%s, and it can't be started yet: %s", reason, error)  # noqa: TRY400  # expected: no traceback
        time.sleep(TRY_AGAIN)


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
