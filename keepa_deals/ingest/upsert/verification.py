"""Asks Keepa about deals that the feed no longer shows: do they still hold, and if not, why not?

Two kinds: *suspects*, which were not on the page where they stood (see ``feed.coverage``), and *missed* ones,
which a sweep went by and which are about to go stale. A suspect is asked about once a look at the newest
pages, begun after Keepa must show a change of price, has not found it there. ``/product`` saying no ends a
deal; ``/product`` saying that it holds never does. What several whole sweeps did not show ends without a
question (``endings``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from keepa_deals.db.models import Deal
from keepa_deals.db.open_deals import open_in
from keepa_deals.deals.lifecycle import CLOCK_TOLERANCE
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import SHOWN_WITHIN
from keepa_deals.ingest.feed.family_lookup import note_families
from keepa_deals.ingest.metered_calls import read_few_products, read_products
from keepa_deals.ingest.run import Run
from keepa_deals.ingest.upsert.match_writes import apply_match_results
from keepa_deals.ingest.upsert.matching import MatchResult, match_product, options_for
from keepa_deals.ingest.upsert.state import SweepState
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.token_costs import MAX_ASINS_PER_REQUEST, ProductOptions

CARRIED_FOR, CARRIED_IN_DISORDER_FOR = 3, 1
"""So many windows after the feed showed it last, the word of ``/product`` is a sight of a deal. Fewer where
the feed is in another order: no page proves then that a deal has gone."""
_HAS_MOVED_SIBLINGS = and_(or_(Deal.has_siblings, families.IN_A_FAMILY), Deal.unlisted_at.is_not(None))
"""Of a family at several places of the feed a sweep may meet none; a new price is not the likely reason."""
URGENT_PART = 6
"""A missed deal is asked for in the last sixth of the time for which it stays live."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A deal to ask about, and the variation of it that was shown."""

    asin: str
    shown: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The deals to ask about, those closest to going stale first.

    ``deadline`` is when the first of the ``missed`` goes stale; ``None``: there are none.
    """

    missed: Sequence[Doubtful]
    suspects: Sequence[Doubtful]
    deadline: datetime | None


def pending(run: Run, state: SweepState, asked: Collection[str] = ()) -> Pending:
    """What waits to be verified, but for those that this run has ``asked`` about, whatever came of it."""
    context = run.context
    if options_for(context.selection) is None:
        return Pending((), (), None)
    now, window = context.clock.now(), context.fresh_for
    open_deals = and_(open_in(context.domain_id), Deal.asin.not_in(asked))
    open_deals = and_(open_deals, Deal.listed_at >= state.selected_at)  # others end without a question
    shown = func.coalesce(Deal.shown_asin, Deal.asin).label("shown")
    columns = select(Deal.asin, shown, Deal.last_seen_at).order_by(Deal.last_seen_at)
    columns = columns.where(open_deals).limit(MAX_ASINS_PER_REQUEST)
    about_stale = Deal.last_seen_at < now - window + window / URGENT_PART
    with context.database.session() as session:
        suspects = session.execute(columns.where(_is_suspect(state, now))).all()
        slipped = and_(_passed_by(state), Deal.unlisted_at.is_(None))
        missed = session.execute(
            columns.where(about_stale, _unasked(now, run), or_(slipped, _HAS_MOVED_SIBLINGS))
        ).all()
    deadline = missed[0].last_seen_at + window if missed else None
    return Pending(
        [Doubtful(row.asin, row.shown) for row in missed],
        [Doubtful(row.asin, row.shown) for row in suspects],
        deadline,
    )


def _is_suspect(state: SweepState, now: datetime) -> ColumnElement[bool]:
    """The deals that no longer stand where they stood, nor at the top, where a new price would put them."""
    if state.looked_at is None:
        return false()
    not_asked_since = or_(
        Deal.verified_at.is_(None), Deal.verified_at < Deal.unlisted_at, _by_a_wrong_clock(now)
    )
    return and_(Deal.unlisted_at <= state.looked_at - SHOWN_WITHIN, not_asked_since)


def _by_a_wrong_clock(now: datetime) -> ColumnElement[bool]:
    return Deal.verified_at > now + CLOCK_TOLERANCE


def _unasked(now: datetime, run: Run) -> ColumnElement[bool]:
    """One answer carries a deal for a window."""
    return or_(
        Deal.verified_at.is_(None),
        Deal.verified_at < Deal.listed_at,
        Deal.verified_at < now - run.context.fresh_for / 2,
        _by_a_wrong_clock(now),
    )


def _passed_by(state: SweepState) -> ColumnElement[bool]:
    """The deals that a sweep should have shown and has not; none that lie beyond what is kept fresh."""
    passed: list[ColumnElement[bool]] = [false()]
    if state.swept_since is not None:
        passed.append(Deal.listed_at < state.swept_since)
    if state.sweep is not None and state.oldest_read is not None:
        passed.append(
            and_(Deal.listed_at < state.sweep.shows_since, Deal.deal_created_at > state.oldest_read)
        )
    kept = Deal.deal_created_at >= state.horizon if state.horizon is not None else None
    return or_(*passed) if kept is None else and_(or_(*passed), kept)


def verify(run: Run, state: SweepState, doubtful: Sequence[Doubtful]) -> Collection[str]:
    """Ask about the first of the ``doubtful``, as many as the tokens allow; which deals those were.

    With the tokens at hand for many, many; else as many as a small request pays.
    """
    options = options_for(run.context.selection)
    assert options is not None
    most = run.context.settings.priority_pass_max_cost // options.documented_tokens_per_product()
    asins = [deal.shown for deal in doubtful]
    few = asins[: max(1, most)]
    asked: Sequence[str]
    try:
        if len(asins) <= len(few):
            asked, answer = few, read_few_products(run, few, options)
        else:
            asked, answer = read_products(run, asins, options, timeout=0.0)
    except TokensUnavailableError:
        asked, answer = few, read_few_products(run, few, options)
    settled = [deal for deal in doubtful if deal.shown in asked]
    windows = CARRIED_FOR if state.is_newest_first else CARRIED_IN_DISORDER_FOR
    _settle(run, settled, answer, options, windows * run.context.fresh_for)
    return {deal.asin for deal in settled}


def _settle(
    run: Run,
    asked: Sequence[Doubtful],
    answer: ProductBatch,
    options: ProductOptions,
    carried_for: timedelta,
) -> None:
    context = run.context
    now, selection = context.clock.now(), context.selection
    products = {product.asin: product for product in answer.products}
    results = []
    for deal in asked:
        if deal.shown in products or deal.shown in answer.unknown:
            results.append(match_product(deal.asin, products.get(deal.shown), selection, options))
        else:
            results.append(MatchResult(deal.asin, None, known=False))
    with run.commit() as session:
        if families.is_single(selection):
            note_families(run, session, answer.products)
        apply_match_results(
            session, context.domain_id, results, now, context.fresh_for, context.pricing_by(session),
            carried_for=carried_for,
        )  # fmt: skip
    run.rows += len(results)
