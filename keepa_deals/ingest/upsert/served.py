"""The searches of one run of the upserter: which are read, what each may count on, and how it went."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from keepa_deals.db.errors import StoreError
from keepa_deals.errors import LockLostError
from keepa_deals.ingest.run import Run, SearchGoneError
from keepa_deals.ingest.upsert import endings, window_plan
from keepa_deals.ingest.upsert.progress import Progress
from keepa_deals.ingest.upsert.shares import Claim, share_out
from keepa_deals.ingest.upsert.state import NEVER
from keepa_deals.keepa.errors import RequestRejectedError
from keepa_deals.searches import registry
from keepa_deals.searches.search import Search

log = logging.getLogger(__name__)

REFUSED_FOR = timedelta(minutes=10)
"""A query that Keepa refused is sent again after this time, or once it has changed."""

_HOUR = timedelta(hours=1)


@dataclass
class Served:
    """The searches that a run reads, each with its progress, and the words with which Keepa refused some."""

    run: Run
    searches: list[Progress]
    refused: dict[int, RequestRejectedError] = field(default_factory=dict)
    """By the position in ``searches``."""
    gone: set[int] = field(default_factory=set)
    tried: set[int] = field(default_factory=set)

    def going(self) -> Iterator[tuple[int, Progress]]:
        """Those that are read still, the one that was looked at longest ago first."""
        going = [
            (number, progress)
            for number, progress in enumerate(self.searches)
            if number not in self.refused and number not in self.gone
        ]
        return iter(sorted(going, key=lambda one: one[1].state.head_at or NEVER))

    @contextlib.contextmanager
    def reading(self, number: int) -> Iterator[None]:
        """Work on one search: that Keepa refuses its query, or that it is removed, stops no other."""
        self.tried.add(number)
        try:
            yield
        except RequestRejectedError as error:
            self.refused[number] = error
        except SearchGoneError as error:
            log.info("%s", error)
            self.gone.add(number)

    def share_out(self) -> None:
        """Let each search count on its part of the tokens, and plan anew where that has moved."""
        numbered = list(self.going())
        going = [progress for _, progress in numbered]
        claims = [_claim(progress) for progress in going]
        for progress, share in zip(going, share_out(claims) if claims else (), strict=True):
            progress.share = share
            progress.share_for = partial(_share_for, going, progress)
        for number, progress in numbered:
            try:
                window_plan.adapt(progress)
            except SearchGoneError:
                self.gone.add(number)

    def has_overspent(self, progress: Progress) -> bool:
        """Whether a search has had its part of the last hour, on a plan that is short.

        It is served after those that have not: deadlines alone would give it what is theirs, since pages that
        it cannot keep are the latest of all.
        """
        search = progress.context.search
        if (
            search is None
            or len(self.searches) < 2
            or not any(other.state.is_cut for _, other in self.going())
        ):
            return False
        come = window_plan.supply_within(progress, _HOUR)
        spent = search.tokens_within_an_hour(progress.now()) + progress.run.tokens_spent
        return come is not None and spent > come

    def refuse_all(self) -> None:
        """Raise what Keepa said where it refused every search."""
        if self.searches and len(self.refused) == len(self.searches):
            raise next(iter(self.refused.values()))

    @contextlib.contextmanager
    def accounted(self) -> Iterator[None]:
        """Count at the end, however it comes, what the searches spent and wrote."""
        try:
            yield
        finally:
            runs = [progress.run for progress in self.searches if progress.run is not self.run]
            self.run.rows += sum(run.rows for run in runs)
            self.run.tokens_spent += sum(run.tokens_spent for run in runs)
            with contextlib.suppress(LockLostError, StoreError):
                self._note()

    def _note(self) -> None:
        notes = [
            (search, progress.run.tokens_spent, str(error) if error else None)
            for number, progress in enumerate(self.searches)
            if number in self.tried and (search := progress.context.search) is not None
            for error in (self.refused.get(number),)
        ]
        notes = [
            (search, tokens, error) for search, tokens, error in notes if tokens or error != search.error
        ]
        if not notes:
            return
        now = self.run.context.clock.now()
        with self.run.commit() as session:
            for search, tokens, error in notes:
                registry.note_reading(session, search, tokens, error, now)


def begin(run: Run) -> Served:
    """The searches of this run, as their table has them now."""
    source = run.context.searches
    if source is None:
        return Served(run, [Progress(run)])
    with run.commit() as session:
        searches = source(session)
    now = run.context.clock.now()
    tried = [search for search in searches if not _rests(search, now)] or searches
    return Served(run, [Progress(run.of(search)) for search in tried])


def end_those_of_nobody(served: Served) -> None:
    """End the deals of marketplaces that no search has any more."""
    run = served.run
    with run.context.database.session() as session:
        domains, removed = _domains(run, session), registry.removed_searches(session)
    orphaned = {search.domain_id for search in removed} - domains
    if orphaned:
        endings.end_those_of_removed_searches(run, orphaned)
    if removed:
        with run.commit() as session:
            registry.forget(session, removed)
    if any(progress.state.selected_at > NEVER for progress in served.searches):
        endings.end_those_elsewhere(run, domains)


def _domains(run: Run, session: Session) -> set[int]:
    if run.context.searches is None:
        return {run.context.domain_id}
    return {search.domain_id for search in registry.all_searches(session)}


def _rests(search: Search, now: datetime) -> bool:
    """Whether a query that Keepa refused is left alone for now."""
    at = search.error_at
    return at is not None and at >= search.changed_at and now - REFUSED_FOR < at <= now


def _share_for(going: Sequence[Progress], one: Progress, needed: int) -> float:
    """The share of one of the searches that needs so many tokens a window, by what is known of the others."""
    claims = [_claim(progress, needed if progress is one else None) for progress in going]
    return share_out(claims)[going.index(one)]


def _claim(progress: Progress, needed: int | None = None) -> Claim:
    """What a search claims by its plan, or by what it has just turned out to need."""
    search, plan = progress.context.search, progress.state.plan
    weight = search.weight if search else 1
    supply = window_plan.whole_supply(progress)
    if needed is None and plan is not None:
        needed = plan.needed
    return Claim(weight, None if needed is None or supply is None else needed / max(1, supply))
