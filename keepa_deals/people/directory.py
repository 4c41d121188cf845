"""Who may use the dashboard, as a program that answers asks: at once, and while the database is down.

The tables are asked every two seconds at most, and at once after a change on this machine (the home's copy is
another one then). While they do not answer, the copy in the home decides. Unknown is not nobody.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from keepa_deals.clock import Clock
from keepa_deals.db.session import Database
from keepa_deals.health.probing import run_probes
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.errors import AccessError
from keepa_deals.people.person import Register
from keepa_deals.people.registry import read_register
from keepa_deals.people.takeover import take_over

FRESH_SECONDS = 2.0
"""How long a change on another machine may take to be known here."""
RETRY_SECONDS = 10.0
"""How long a database that did not answer is left alone: no request waits for it meanwhile."""
TIMEOUT = 1.0

Version = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Known:
    register: Register
    version: Version
    until: float


class Directory:
    """Everybody who may use the dashboard of one deployment."""

    def __init__(self, database: Database, file: AccessFile, clock: Clock) -> None:
        self.file = file
        self._database = database
        self._clock = clock
        self._known: _Known | None = None
        self._one_at_a_time = threading.Lock()

    def read(self) -> Register:
        """Everybody in force; an ``AccessError`` while nobody knows who that is."""
        version = self.file.version()
        known = self._known
        if known is not None and known.version == version:
            if self._clock.monotonic() < known.until:
                return known.register
            if not self._one_at_a_time.acquire(blocking=False):
                return known.register  # somebody else is asking
        else:
            self._one_at_a_time.acquire()
        try:
            return self._asked().register
        finally:
            self._one_at_a_time.release()

    def is_ended(self, session_id: str) -> bool:
        """Whether that session was logged out."""
        return session_id in self.file.read().ended

    def _asked(self) -> _Known:
        held = self.file.read()
        reading = run_probes({"people": self._ask_tables}, timeout=TIMEOUT).take("people", self._ask_tables)
        register, fresh_for = reading.value, FRESH_SECONDS
        if register is None:
            if self.file.version() is None or held.password is not None:
                raise AccessError(f"people: the database does not tell them ({reading.error})")
            register, fresh_for = held.register, RETRY_SECONDS
        self._known = _Known(register, self.file.version(), self._clock.monotonic() + fresh_for)
        return self._known

    def _ask_tables(self) -> Register:
        with self._database.session() as session:
            register = read_register(session.connection())
        if not register.accounts and self.file.read().password is not None:
            return take_over(self._database, self.file, self._clock.now())
        self.file.mirror(register)
        return register
