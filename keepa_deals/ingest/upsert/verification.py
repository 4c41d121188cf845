"""Asks Keepa about deals that the feed no longer shows: do they still hold, and if not, why not?

Two kinds: *suspects*, which were not on the page where they stood (see ``reach``), and *missed* ones, which
a sweep went by and which are about to go stale. A suspect is asked about once a look at the newest pages,
begun after Keepa must show a change of price, has not found it there. ``/product`` saying no ends a deal;
``/product`` saying that it holds never does. What several whole sweeps did not show ends without a question.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal
from keepa_deals.db.upsert import lock_writers
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.lifecycle import CLOCK_TOLERANCE
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import SHOWN_WITHIN
from keepa_deals.ingest.metered_calls import read_few_products, read_products
from keepa_deals.ingest.run import Run
from keepa_deals.ingest.upsert.state import Memory
from keepa_deals.ingest.writes import Verdict, apply_verdicts, end_deals, event_rows, record
from keepa_deals.keepa.errors import KeepaError
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.token_costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.keepa.types import CsvType, Interval, Product, ProductBatch, at

log = logging.getLogger(__name__)

PLAIN = ProductOptions(stats_days=90)
SWEEPS_OF_EVIDENCE = 2
"""So many whole sweeps that did not show a deal, nor anything else where it stood, prove that it is gone."""
SWEEPS_IN_DOUBT = 4
"""The same where Keepa may show another variation, at another place, with each page that is read; and of a
feed in another order, in which no page proves that a deal is not where it stood."""
CARRIED_FOR, CARRIED_IN_DISORDER_FOR = 3, 1
"""So many windows after the feed showed it last, the word of ``/product`` is a sight of a deal. Fewer where
the feed is in another order: no page proves then that a deal has gone."""
URGENT_PART = 6
"""A missed deal is asked for in the last sixth of the time for which it stays live."""
SETTLED_AT_ONCE = 500
"""Deals that end without a question, in one transaction."""


def options_for(selection: Mapping[str, Any]) -> ProductOptions | None:
    """How ``/product`` tells the price that a selection is about; ``None``: for no price worth paying."""
    if PLAIN.tells(price_type(selection)):
        return PLAIN
    with_buy_box = replace(PLAIN, buybox=True)
    return with_buy_box if with_buy_box.tells(price_type(selection)) else None


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


def pending(run: Run, memory: Memory, asked: Collection[str] = ()) -> Pending:
    """What waits to be verified, but for those that this run has ``asked`` about, whatever came of it."""
    context = run.context
    if options_for(context.selection) is None:
        return Pending((), (), None)
    now, window = context.clock.now(), context.fresh_for
    open_deals = and_(Deal.domain_id == context.domain_id, Deal.ended_at.is_(None), Deal.asin.not_in(asked))
    open_deals = and_(open_deals, Deal.listed_at >= memory.selected_at)  # others end without a question
    shown = func.coalesce(Deal.shown_asin, Deal.asin).label("shown")
    columns = select(Deal.asin, shown, Deal.last_seen_at).order_by(Deal.last_seen_at)
    columns = columns.where(open_deals).limit(MAX_ASINS_PER_REQUEST)
    about_stale = Deal.last_seen_at < now - window + window / URGENT_PART
    with context.database.session() as session:
        suspects = session.execute(columns.where(_is_suspect(memory, now))).all()
        missed = session.execute(
            columns.where(about_stale, _passed_by(memory), Deal.unlisted_at.is_(None), _unasked(now, run))
        ).all()
    deadline = missed[0].last_seen_at + window if missed else None
    return Pending(
        [Doubtful(row.asin, row.shown) for row in missed],
        [Doubtful(row.asin, row.shown) for row in suspects],
        deadline,
    )


def _is_suspect(memory: Memory, now: datetime) -> ColumnElement[bool]:
    """The deals that no longer stand where they stood, nor at the top, where a new price would put them."""
    if memory.looked_at is None:
        return false()
    not_asked_since = or_(
        Deal.verified_at.is_(None), Deal.verified_at < Deal.unlisted_at, _by_a_wrong_clock(now)
    )
    return and_(Deal.unlisted_at <= memory.looked_at - SHOWN_WITHIN, not_asked_since)


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


def _passed_by(memory: Memory) -> ColumnElement[bool]:
    """The deals that a sweep should have shown and has not; none that lie beyond what is kept fresh."""
    passed: list[ColumnElement[bool]] = [false()]
    if memory.swept_since is not None:
        passed.append(Deal.listed_at < memory.swept_since)
    if memory.sweep is not None and memory.floor is not None:
        passed.append(and_(Deal.listed_at < memory.sweep.shows_since, Deal.deal_created_at > memory.floor))
    kept = Deal.deal_created_at >= memory.horizon if memory.horizon is not None else None
    return or_(*passed) if kept is None else and_(or_(*passed), kept)


def verify(run: Run, memory: Memory, doubtful: Sequence[Doubtful]) -> Collection[str]:
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
    windows = CARRIED_FOR if memory.is_newest_first else CARRIED_IN_DISORDER_FOR
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
    told = {product.asin: product for product in answer.products}
    verdicts = []
    for deal in asked:
        if deal.shown in told or deal.shown in answer.unknown:
            verdicts.append(judge(deal.asin, told.get(deal.shown), selection, options))
        else:
            verdicts.append(Verdict(deal.asin, None, known=False))
    with run.commit() as session:
        if families.is_single(selection):
            note_families(run, session, answer.products)
        apply_verdicts(
            session, context.domain_id, verdicts, now, context.fresh_for, context.pricing,
            carried_for=carried_for,
        )  # fmt: skip
    run.rows += len(verdicts)


LEARNED_AT_ONCE = 2
"""Small calls a page that ask for families: what they do not cover waits for the next look."""


def learn_families(run: Run, asins: Sequence[str]) -> Collection[str]:
    """Ask to which families products belong, in the small lane; which ones that were.

    Those for which there are no tokens, or no answer, wait.
    """
    most, asked = run.context.settings.priority_pass_max_cost, set[str]()
    for first in range(0, min(len(asins), LEARNED_AT_ONCE * most), most):
        batch = asins[first : first + most]
        try:
            answer = read_few_products(run, batch, PLAIN)
        except (TokensUnavailableError, KeepaError) as error:
            log.info("whether %d new deals are variations of others is not known yet: %s", len(asins), error)
            break
        with run.commit() as session:
            note_families(run, session, answer.products)
        asked.update(batch)
    return asked


def note_families(run: Run, session: Session, products: Sequence[Product]) -> None:
    """Write down which variations belong together, and let one deal stand for each family."""
    context = run.context
    now, domain_id = context.clock.now(), context.domain_id
    lock_writers(session)
    told = families.note_variations(session, domain_id, products, now)
    if told:
        for asin, changes in families.merge(session, domain_id, told, now, context.fresh_for):
            record(session, event_rows(domain_id, asin, changes))


def end_those_of_another_selection(run: Run, memory: Memory) -> int:
    """End what only an earlier selection matched; how many. No token is spent: that it is over is known.

    The feed of the present selection has been read whole since, nor has it shown the deal at its top. Deals
    of another Amazon locale are in no feed of it.
    """
    which: list[ColumnElement[bool]] = [Deal.domain_id != run.context.domain_id]
    if memory.swept_since is not None and memory.swept_since >= memory.selected_at:
        unseen = Deal.listed_at < memory.selected_at
        if memory.looked_at is not None:
            suspect = Deal.unlisted_at <= memory.looked_at - SHOWN_WITHIN
            which.append(and_(unseen, suspect))
    return _end_unasked(run, or_(*which), at_all_locales=True)


def end_those_long_unlisted(run: Run, memory: Memory) -> int:
    """End what whole sweeps have not shown since it was listed, asked about or not; how many."""
    now = run.context.clock.now()
    whole = [sweep for sweep in memory.whole if sweep.since <= now]  # others began by a wrong clock
    kept = [sweep.down_to for sweep in whole if sweep.down_to is not None]
    within = Deal.deal_created_at >= max(kept) if kept else None
    which: list[ColumnElement[bool]] = []
    if memory.is_newest_first and len(whole) >= SWEEPS_OF_EVIDENCE:
        # of those that still match one is shown: where the last shown does not, another would have been
        denied = Deal.suspected_reason != EndedReason.NO_LONGER_LISTED
        sure = and_(Deal.unlisted_at.is_not(None), or_(Deal.has_siblings.is_(False), denied))
        which.append(and_(sure, Deal.listed_at < whole[-SWEEPS_OF_EVIDENCE].since))
    if len(whole) >= SWEEPS_IN_DOUBT:
        in_doubt = Deal.has_siblings if memory.is_newest_first else true()
        which.append(and_(in_doubt, Deal.listed_at < whole[-SWEEPS_IN_DOUBT].since))
    if not which:
        return 0
    return _end_unasked(run, or_(*which) if within is None else and_(or_(*which), within))


def _end_unasked(run: Run, which: ColumnElement[bool], *, at_all_locales: bool = False) -> int:
    """End open deals without a token; how many. The reason is what /product said, if it was asked."""
    context, settled = run.context, 0
    query = select(Deal.domain_id, Deal.asin, Deal.suspected_reason).where(Deal.ended_at.is_(None), which)
    if not at_all_locales:
        query = query.where(Deal.domain_id == context.domain_id)
    while True:
        run.checkpoint()
        now = context.clock.now()
        with context.database.session() as session:
            rows = session.execute(query.where(_may_end(now)).limit(SETTLED_AT_ONCE)).all()
        if not rows:
            return settled
        with run.commit() as session:
            for domain in {row.domain_id for row in rows}:
                ends = {
                    row.asin: row.suspected_reason or EndedReason.NO_LONGER_MATCHES
                    for row in rows
                    if row.domain_id == domain
                }
                end_deals(session, domain, ends, now, context.fresh_for)
        settled += len(rows)


def _may_end(now: datetime) -> ColumnElement[bool]:
    """The deals that were not seen later than ``now``, by a clock that has been set back since."""
    return or_(Deal.last_seen_at <= now, Deal.last_seen_at > now + CLOCK_TOLERANCE)


def judge(
    asin: str, product: Product | None, selection: Mapping[str, Any], options: ProductOptions = PLAIN
) -> Verdict:
    """Whether a product still is a deal of the selection; the reason when it is none.

    ``product`` is ``None`` where Keepa's entry came back empty. Nothing is known where ``options`` do not
    tell the price type (docs: Product Object): its arrays look like "no offer" then.
    """
    if product is None or product.stats is None:
        return Verdict(asin, EndedReason.PRODUCT_GONE)
    kind = price_type(selection)
    if not options.tells(kind):
        return Verdict(asin, None, known=False)
    price = at(product.stats.current, kind)
    if price is None:
        return Verdict(asin, EndedReason.OUT_OF_STOCK)
    average = _average(product, kind, selection)
    columns = {"price": price, "sales_rank": at(product.stats.current, CsvType.SALES)}
    return Verdict(asin, _mismatch(price, average, columns["sales_rank"], selection), columns)


def _average(product: Product, kind: CsvType, selection: Mapping[str, Any]) -> int | None:
    """The average that the selection compares with; ``None`` for day and week, which no product tells."""
    stats = product.stats
    assert stats is not None
    match int(selection.get("dateRange", Interval.DAYS_90)):
        case Interval.MONTH:
            return at(stats.avg30, kind)
        case Interval.DAYS_90:
            return at(stats.avg90, kind)
    return None


def _mismatch(
    price: int, average: int | None, rank: int | None, selection: Mapping[str, Any]
) -> EndedReason | None:
    ranges = selection if selection.get("isRangeEnabled") else {}
    least = ranges.get("deltaPercentRange", (0, 0))[0]
    if average is not None and (average <= price or round(100 * (average - price) / average) < least):
        return EndedReason.PRICE_RECOVERED
    if not _within(price, ranges.get("currentRange")) or not _within(rank, ranges.get("salesRankRange")):
        return EndedReason.NO_LONGER_MATCHES
    return None


def _within(value: int | None, bounds: Sequence[int] | None) -> bool:
    if bounds is None or tuple(bounds) == (-1, -1):  # as keepa.com exports "no bound"
        return True
    low, high = bounds
    return value is not None and low <= value and (high == -1 or value <= high)
