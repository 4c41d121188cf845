"""Tells somebody outside how each run of a job ended: whoever hears nothing for too long raises the alarm.

Told in the background and at best: a run never waits for it, and never fails by it. The addresses are
secrets, for who knows one can pretend that all is well.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit, urlunsplit

import requests

from keepa_deals.settings import ca_bundle

log = logging.getLogger(__name__)

TIMEOUT = 10.0
SAME_AGAIN = 15.0
"""Seconds between two pings that say the same: services take five a minute or so for a flood."""
_STATES = (("status=up", "status=down"), ("state=complete", "state=fail"))
"""What some services want as an option (Uptime Kuma, Cronitor): up, down. The others want ``/fail``."""

Send = Callable[[str], None]


class DeadManSwitches:
    """One switch a job that has an address; ``send`` calls it and raises what went wrong."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        *,
        send: Send | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = dict(addresses)
        self._send = send or _get
        self._clock = clock
        self._said: dict[str, tuple[bool, float]] = {}
        self._waiting: dict[str, str] = {}
        self._reached: dict[str, bool] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def tell(self, job: str, *, succeeded: bool) -> None:
        """Say how a run ended; returns at once. Of what could not be sent yet only the newest counts."""
        address = self._addresses.get(job)
        if address is None:
            return
        now = self._clock()
        before, at = self._said.get(job, (not succeeded, now))
        if before == succeeded and now - at < SAME_AGAIN:
            return
        self._said[job] = (succeeded, now)
        with self._changed:
            self._waiting[job] = address if succeeded else at_failure(address)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="dead-man-switch", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                job = next(iter(self._waiting))
                address = self._waiting.pop(job)
            self._ping(job, address)

    def _ping(self, job: str, address: str) -> None:
        """Never the address, nor the words of an error, which repeat it."""
        try:
            self._send(address)
        except Exception as error:  # noqa: BLE001  # whatever it is, the job's own work goes on
            if self._reached.get(job, True):
                log.warning("%s: its dead-man's switch cannot be reached (%s)", job, _kind(error))
            self._reached[job] = False
            return
        if not self._reached.get(job, True):
            log.info("%s: its dead-man's switch is reached again", job)
        self._reached[job] = True


def at_failure(address: str) -> str:
    """Where a failure is told: the option that says so, else ``/fail`` after the path."""
    parts = urlsplit(address)
    options = parts.query.split("&")
    for up, down in _STATES:
        if up in options:
            query = "&".join(down if option == up else option for option in options)
            return urlunsplit(parts._replace(query=query))
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/fail"))


def _kind(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code}"
    return type(error).__name__


def _get(address: str) -> None:
    with requests.Session() as session:
        session.trust_env = False  # no .netrc
        trusted = ca_bundle()
        if trusted is not None:
            session.verify = str(trusted[1])
        answer = session.get(address, timeout=TIMEOUT, allow_redirects=False, stream=True)
        with answer:
            answer.raise_for_status()
