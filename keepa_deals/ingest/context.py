"""Everything a run needs, passed in: settings, Keepa, tokens, database, clock, locks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from keepa_deals.call_log import AnswerLog
from keepa_deals.clock import Clock, SystemClock
from keepa_deals.db import seller_terms
from keepa_deals.db.session import Database
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.errors import StoppedError
from keepa_deals.ingest.interfaces import KeepaApi, Lock, TokenSource
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.selection import log_notes
from keepa_deals.keepa.selection_files import read_selection_files
from keepa_deals.keepa_memory import SharedMemory
from keepa_deals.kept_answers import KeptAnswers
from keepa_deals.locks import SingleFlightLock
from keepa_deals.notifier_wake import NotifierWake
from keepa_deals.redis_store import Keys, connect
from keepa_deals.searches.search import Search
from keepa_deals.searches.source import SearchSource
from keepa_deals.settings import Settings
from keepa_deals.token_manager import TokenManager


class StoppableClock:
    """A clock whose sleep ends with a ``StoppedError`` soon after ``stop`` answers true."""

    SLICE = 0.5

    def __init__(self, clock: Clock, stop: Callable[[], bool]) -> None:
        self._clock = clock
        self._stop = stop
        self.now = clock.now
        self.monotonic = clock.monotonic

    def sleep(self, seconds: float) -> None:
        deadline = self.monotonic() + seconds
        while True:
            if self._stop():
                raise StoppedError("the process is asked to stop")
            left = deadline - self.monotonic()
            if left <= 0:
                return
            self._clock.sleep(min(left, self.SLICE))


@dataclass(frozen=True)
class IngestContext:
    """The dependencies of the jobs. ``stop`` turns true when the process is asked to end."""

    settings: Settings
    client: KeepaApi
    tokens: TokenSource
    database: Database
    clock: Clock
    selection: Mapping[str, Any]
    lock: Callable[[str], Lock]
    stop: Callable[[], bool]
    wake_notifier: Callable[[], None] = lambda: None
    """Called when a transaction has left alerts something to look at. A word that is lost costs seconds."""
    searches: Callable[[Session], Sequence[Search]] | None = None
    """The searches to be read now, in a transaction that brings their table up to date; ``None``: there is
    one, ``selection``, of which no table tells."""
    search: Search | None = None
    """The one that ``selection`` is the query of."""

    def of(self, search: Search) -> IngestContext:
        """The same for one of the searches."""
        return replace(self, selection=search.query, search=search)

    @property
    def domain_id(self) -> int:
        return int(self.selection["domainId"])

    @property
    def pricing(self) -> Pricing:
        """How the seller reckons, at this moment."""
        with self.database.session() as session:
            return self.pricing_by(session)

    def pricing_by(self, session: Session) -> Pricing:
        """The same within a transaction, which needs no second connection."""
        return seller_terms.pricing(session.connection(), self.settings, self.clock.now())

    @property
    def interval(self) -> timedelta:
        """The time between two runs of the upserter."""
        return timedelta(seconds=self.settings.upsert_interval_seconds)

    @property
    def fresh_for(self) -> timedelta:
        """How long a deal stays live after it was seen."""
        return self.settings.fresh_for

    @property
    def window(self) -> timedelta:
        """The time within which the deals of the search are seen again: no longer than they stay live."""
        minutes = self.search.fresh_minutes if self.search else None
        return self.fresh_for if minutes is None else min(self.fresh_for, timedelta(minutes=minutes))


def build_context(settings: Settings, *, stop: Callable[[], bool] = lambda: False) -> IngestContext:
    """The context of a deployment: connects lazily, so that building it waits for nobody."""
    files = read_selection_files(settings)
    for file in files.found:
        log_notes(file.selection, file.name)
    clock = StoppableClock(SystemClock(), stop)
    redis = connect(settings)
    keys = Keys(settings.redis_key_prefix)
    client = KeepaClient(
        settings.api_key,
        base_url=settings.keepa_api_url,
        sleep=clock.sleep,
        memory=SharedMemory(redis, keys),
        on_answer=AnswerLog(redis, keys).note,
        on_strange=KeptAnswers(settings.log_dir).keep,
        on_balance=lambda envelope: tokens.update_after_call(envelope),
    )
    tokens = TokenManager.from_settings(settings, clock=clock, sync=client.token_status, client=redis)
    return IngestContext(
        settings=settings,
        client=client,
        tokens=tokens,
        database=Database.from_settings(settings),
        clock=clock,
        selection=files.found[0].selection.query,
        searches=SearchSource(settings, clock).follow_files,
        lock=lambda name: SingleFlightLock(redis, keys.lock(name), ttl=settings.lock_ttl_seconds),
        stop=stop,
        wake_notifier=NotifierWake(redis, keys).wake,
    )
