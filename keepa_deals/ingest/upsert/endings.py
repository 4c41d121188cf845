"""Ends deals without a question, and so without a token: what the feed has proved, or the selection.

What several whole sweeps did not show is gone; what only an earlier selection matched is none of this one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal
from keepa_deals.db.open_deals import open_in
from keepa_deals.db.upsert import lock_writers
from keepa_deals.deals import lifecycle
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.lifecycle import CLOCK_TOLERANCE
from keepa_deals.ingest.events import event_rows, note_changes, record
from keepa_deals.ingest.feed.coverage import SHOWN_WITHIN
from keepa_deals.ingest.run import Run
from keepa_deals.ingest.upsert.state import SweepState

SWEEPS_OF_EVIDENCE = 2
"""So many whole sweeps that did not show a deal, nor anything else where it stood, prove that it is gone."""
SWEEPS_IN_DOUBT = 4
"""The same where Keepa may show another variation, at another place, with each page that is read; and of a
feed in another order, in which no page proves that a deal is not where it stood."""
BATCH = 500
"""Deals that end without a question, in one transaction."""


def end_those_of_another_selection(run: Run, state: SweepState) -> int:
    """End what only an earlier selection matched; how many. No token is spent: that it is over is known.

    The feed of the present selection has been read whole since, nor has it shown the deal at its top.
    """
    if state.swept_since is None or state.swept_since < state.selected_at or state.looked_at is None:
        return 0
    suspect = Deal.unlisted_at <= state.looked_at - SHOWN_WITHIN
    which = and_(open_in(run.context.domain_id), Deal.listed_at < state.selected_at, suspect)
    return _end_without_asking(run, which)


def end_those_elsewhere(run: Run, domains: Collection[int]) -> int:
    """End the deals of all marketplaces but these, as what no search lists any more; how many."""
    return _end_without_asking(run, Deal.domain_id.not_in(domains))


def end_those_of_removed_searches(run: Run, domains: Collection[int]) -> int:
    """End the deals of these marketplaces, whose searches somebody removed; how many."""
    return _end_without_asking(run, Deal.domain_id.in_(domains), EndedReason.SEARCH_REMOVED)


def end_those_long_unlisted(run: Run, state: SweepState) -> int:
    """End what whole sweeps have not shown since it was listed, asked about or not; how many."""
    now = run.context.clock.now()
    whole = [sweep for sweep in state.whole if sweep.since <= now]  # others began by a wrong clock
    kept = [sweep.down_to for sweep in whole if sweep.down_to is not None]
    within = Deal.deal_created_at >= max(kept) if kept else None
    which: list[ColumnElement[bool]] = []
    if state.is_newest_first and len(whole) >= SWEEPS_OF_EVIDENCE:
        # of those that still match one is shown: where the last shown does not, another would have been
        denied = Deal.suspected_reason != EndedReason.NO_LONGER_LISTED
        sure = and_(Deal.unlisted_at.is_not(None), or_(Deal.has_siblings.is_(False), denied))
        which.append(and_(sure, Deal.listed_at < whole[-SWEEPS_OF_EVIDENCE].since))
    if len(whole) >= SWEEPS_IN_DOUBT:
        in_doubt = Deal.has_siblings if state.is_newest_first else true()
        which.append(and_(in_doubt, Deal.listed_at < whole[-SWEEPS_IN_DOUBT].since))
    if not which:
        return 0
    gone = or_(*which) if within is None else and_(or_(*which), within)
    return _end_without_asking(run, and_(open_in(run.context.domain_id), gone))


def _end_without_asking(run: Run, which: ColumnElement[bool], reason: EndedReason | None = None) -> int:
    """End open deals without a token; how many. Where no ``reason`` is given it is what /product said, if it
    was asked."""
    context, ended = run.context, 0
    query = select(Deal.domain_id, Deal.asin, Deal.suspected_reason).where(Deal.ended_at.is_(None), which)
    while True:
        run.checkpoint()
        now = context.clock.now()
        with context.database.session() as session:
            rows = session.execute(query.where(_may_end(now)).limit(BATCH)).all()
        if not rows:
            return ended
        with run.commit() as session:
            for domain in {row.domain_id for row in rows}:
                ends = {
                    row.asin: reason or row.suspected_reason or EndedReason.NO_LONGER_MATCHES
                    for row in rows
                    if row.domain_id == domain
                }
                end_deals(session, domain, ends, now, context.fresh_for)
        ended += len(rows)


def _may_end(now: datetime) -> ColumnElement[bool]:
    """The deals that were not seen later than ``now``, by a clock that has been set back since."""
    return or_(Deal.last_seen_at <= now, Deal.last_seen_at > now + CLOCK_TOLERANCE)


def end_deals(
    session: Session,
    domain_id: int,
    reasons: Mapping[str, EndedReason],
    at: datetime,
    fresh_for: timedelta,
) -> None:
    """End open deals, by ASIN, for these reasons."""
    lock_writers(session)
    query = select(Deal).where(Deal.domain_id == domain_id, Deal.asin.in_(sorted(reasons)))
    changed: list[str] = []
    for deal in session.scalars(query):
        life, changes = lifecycle.end(lifecycle.life_of(deal), reasons[deal.asin], at, fresh_for)
        lifecycle.store(life, deal)
        if changes:
            deal.changed_at = at
            changed.append(deal.asin)
        record(session, event_rows(domain_id, deal.asin, changes))
    note_changes(session, domain_id, changed, at)
