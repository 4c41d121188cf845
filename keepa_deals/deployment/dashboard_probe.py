"""Whether the dashboard answers: alive and deaf is as good as dead to its readers."""

from __future__ import annotations

import contextlib
import http.client
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from keepa_deals import settings as settings_module
from keepa_deals.deployment import supervisor
from keepa_deals.deployment.errors import BusyError, OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.operation_lock import WATCHDOG, only_one
from keepa_deals.errors import SettingsError

log = logging.getLogger(__name__)

DASHBOARD = "dashboard"
ASK_EVERY = 10.0
TIMEOUT = 5.0
"""Seconds for one answer; its probe has a thread of its own, which no reader can hold up."""
DEAF_AFTER = 60.0
"""Seconds without any answer: the server's own master, which needs 30, goes first."""


def answers(address: str, timeout: float) -> bool:
    """Whether the dashboard at ``address`` answers its probe within so many seconds."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class DashboardProbe:
    """Starts the dashboard anew when it runs and has answered nobody for ``DEAF_AFTER`` seconds."""

    def __init__(
        self,
        home: Home,
        ask: Callable[[str, float], bool] = answers,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._ask = ask
        self._monotonic = monotonic
        self._asked_at = self._answered_at = monotonic()

    def run(self) -> None:
        """Ask when it is time to; never raises what an operation may meet."""
        now = self._monotonic()
        if now - self._asked_at < ASK_EVERY:
            return
        # After a pause of ours (a suspended machine, say) nobody has been silent for so long.
        if now - self._asked_at > 2 * ASK_EVERY + TIMEOUT:
            self._answered_at = now
        self._asked_at = now
        with contextlib.suppress(SettingsError, OpsError, OSError):
            self._run(now)

    def _run(self, now: float) -> None:
        address = settings_module.load(keepa_deals_home=self._home.path).dashboard_url
        if self._ask(address, TIMEOUT) or not self._runs():
            self._answered_at = self._monotonic()
        elif now - self._answered_at >= DEAF_AFTER:
            self._start_anew(now - self._answered_at)
            self._answered_at = self._monotonic()

    def _runs(self) -> bool:
        """Whether the supervisor takes it for running; what it is starting or stopping may be silent."""
        return any(one.name == DASHBOARD and one.state == "RUNNING" for one in supervisor.states(self._home))

    def _start_anew(self, silent: float) -> None:
        try:
            with only_one(self._home.operation_lock, WATCHDOG):
                log.warning("the dashboard runs, and has not answered for %.0f s: starting it anew", silent)
                supervisor.stop_program(self._home, DASHBOARD)
                supervisor.start_program(self._home, DASHBOARD)
        except BusyError as error:
            log.info("the dashboard does not answer, but %s", error)
