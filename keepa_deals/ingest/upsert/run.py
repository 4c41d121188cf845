"""The upserter: reads what is new down to its watermark, re-sees the feed in time, verifies the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.deals.kinds import DealEventKind
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import KEEPA_AHEAD, LEAST_SHARE, PageRead, Reach, page_read
from keepa_deals.ingest.feed.mapping import FeedRow, feed_rows
from keepa_deals.ingest.metered_calls import read_page
from keepa_deals.ingest.run import Outcome, Run, RunResult, run_job
from keepa_deals.ingest.upsert import budget
from keepa_deals.ingest.upsert.budget import Feed, Limit, Plan, Step, Supply, Sweep
from keepa_deals.ingest.upsert.state import NEVER, WHOLE_SWEEPS_KEPT, CatchUp, Memory, WholeSweep, recall
from keepa_deals.ingest.upsert.verification import (
    Pending,
    end_those_long_unlisted,
    end_those_of_another_selection,
    learn_families,
    options_for,
    pending,
    verify,
)
from keepa_deals.ingest.writes import apply_listed, note_unlisted
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE
from keepa_deals.keepa.types import DealPage

log = logging.getLogger(__name__)

NEWEST_FIRST = 1
LONGEST = timedelta(minutes=10)
"""A run goes on for an interval or a tick, but no longer; what is due then is the next one's work."""
Ask = Callable[[Run, Sequence[str]], Collection[str]]
"""Asks about products, and says about which of them it did."""
ANCIENT = timedelta(days=7)
"""Nothing in the feed is likely to be that old: the whole of it is read again."""


def run(context: IngestContext) -> RunResult:
    """One run: the new deals, then what is due of the sweep and of the verification.

    The message that came while a run went on for longer than an interval has found the lock taken. Its work
    is done here, at once: else tokens would come for a whole interval that nobody spends on what is due.
    """
    clock = context.clock
    began = clock.monotonic()
    while True:
        started = clock.monotonic()
        result = run_job(context, UPSERT_JOB, lambda run: _Upserter(run).work())
        now = clock.monotonic()
        overran = now - started >= context.interval.total_seconds()
        if not (overran and result.outcome.is_success) or now - began > LONGEST.total_seconds():
            return result


def newest_first(run: Run) -> dict[str, Any]:
    """The selection, sorted the way that the watermark and the cursors need."""
    return {**run.context.selection, "sortType": NEWEST_FIRST}


def write_page(
    run: Run,
    page: DealPage,
    reach: Reach | None = None,
    *,
    ask: Ask | None = None,
    thorough: bool = False,
    **memory: Any,
) -> None:
    """Write a page's deals, what it proves of others, and what the job has to remember: all or nothing.

    What may be a variation of a deal that is there is left out, unless ``ask`` finds out first; with
    ``thorough`` also what is at another date and price than that deal.
    """
    context = run.context
    at = context.clock.now()
    rows = feed_rows(page, domain_id=context.domain_id, price_type=price_type(context.selection))
    single = families.is_single(context.selection)
    if single and rows:
        rows = _without_unclear(run, rows, ask, thorough=thorough)
    with run.commit(**memory) as session:
        written = apply_listed(session, rows, at, context.fresh_for, context.pricing, single=single)
        if reach is not None:
            note_unlisted(session, context.domain_id, reach, at)
    run.rows += written


def _without_unclear(run: Run, rows: list[FeedRow], ask: Ask | None, *, thorough: bool) -> list[FeedRow]:
    """The rows of which it is known whether they are new."""
    with run.context.database.session() as session:
        unclear = families.likely_siblings(session, rows)
        if ask is not None and thorough:
            unclear = list(dict.fromkeys([*unclear, *families.possible_siblings(session, rows)]))
    asked = ask(run, unclear) if ask is not None and unclear else ()
    return [row for row in rows if row["asin"] not in unclear or row["asin"] in asked]


class _Upserter:
    """One run: ``memory`` is what the last one left, and each page's transaction leaves the next."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.context = run.context
        self.now = run.context.clock.now
        self.window = run.context.fresh_for
        self.interval = run.context.interval
        self.memory = recall(run.cursor, run.context.selection, self.now())
        self.selection_changed = run.cursor.get("selection") not in (None, self.memory.selection)
        self.had_watermark = run.watermark is not None
        self.matching = self.memory.matching
        self.head: PageRead | None = None
        """The last of the newest pages that this run has read."""
        self.head_is_whole = False
        """Whether each of the newest pages that this run has read showed all that stood on it."""
        self.asked: set[str] = set()
        """ASINs that this run has asked about."""
        tick = run.context.settings.keepa_tick_seconds
        length = min(max(self.interval.total_seconds(), tick), LONGEST.total_seconds())
        self.ends = run.context.clock.monotonic() + length

    def work(self) -> Outcome:
        begins, hurries = self._sweep_begins(), False
        if begins or self._head_is_due():
            hurries = self._read_new()
        if begins and not hurries:
            self._begin_sweep()
        self._end_without_asking()
        while self.context.clock.monotonic() < self.ends:
            waiting = pending(self.run, self.memory, self.asked)
            if waiting.suspects:
                waiting = replace(waiting, suspects=waiting.suspects[: self._spare_tokens()])
            step = budget.next_step(self._page_deadline(), waiting.deadline, suspects=bool(waiting.suspects))
            if step is None:
                break
            self._take(step, waiting)
        return Outcome.SUCCEEDED

    def _take(self, step: Step, waiting: Pending) -> None:
        if step is Step.SWEEP:
            self._read_next_of_sweep()
            self._end_without_asking()
        else:
            is_suspect = step is Step.VERIFY_SUSPECTS
            self.asked |= {*verify(self.run, self.memory, waiting.suspects if is_suspect else waiting.missed)}

    def _end_without_asking(self) -> None:
        if self.memory.selected_at > NEVER:
            end_those_of_another_selection(self.run, self.memory)
        end_those_long_unlisted(self.run, self.memory)

    # -- what is new -------------------------------------------------------------------------
    def _head_is_due(self) -> bool:
        """Whether to look for new deals; a page of the sweep that is late may go first."""
        now, plan, page = self.now(), self.memory.plan, self._page_deadline()
        if plan is None:
            return True
        every = plan.head_every
        if page is not None and page < now:
            every = budget.head_every_when_late(every, self.interval, self.window)
        return budget.head_is_due(self.memory.head_at, now, every, self.interval)

    def _read_new(self) -> bool:
        """Read from the newest deal down to the watermark; whether the rest is left to a hurried sweep.

        The watermark moves with the rows of the last page, so that any failure leaves it where it was. A feed
        that is not newest first has no bottom to read down to: the sweep reads all but its first page.
        """
        began = self.now()
        seen = self._read(0)
        self.memory = replace(self.memory, doubted_at=self._doubted_since(seen))
        self.head_is_whole = seen.is_whole(self._reference())
        if not self.memory.is_newest_first:
            self.head = seen
            self._write(seen, replace(self.memory, head_at=self.now()))
            return False
        mark = self._mark(seen.page)
        bottom = mark - budget.OVERLAP if mark else None
        deep = budget.overlap_is_due(self.memory.overlapped_at, self.now(), self.memory.plan, self.interval)
        goal = bottom if deep else mark
        newest = max([*seen.believed, *([mark] if mark else [])], default=None)
        while not _is_down_to(seen, goal) and seen.number + 1 < budget.HEAD_PAGES:
            self._write(seen, self.memory)
            seen = self._read(seen.number + 1)
            self.head_is_whole = self.head_is_whole and seen.is_whole(self._reference())
        memory = replace(self.memory, head_at=self.now())
        if bottom is not None and (deep or _is_down_to(seen, bottom)):  # as deep as a look goes
            memory = replace(memory, overlapped_at=memory.head_at)
        self.head = seen
        return self._finish_look(seen, memory, began, mark, newest)

    def _finish_look(
        self, seen: PageRead, memory: Memory, began: datetime, mark: datetime | None, newest: datetime | None
    ) -> bool:
        """Write the last page of a look for what is new; whether the rest is left to a hurried sweep."""
        if not self.memory.is_newest_first:
            self._write(seen, memory)
            return False
        if not _is_down_to(seen, mark):
            assert mark is not None
            self._write(seen, self._hurry_down(memory, mark - budget.OVERLAP, newest))
            return True
        if self.head_is_whole:
            memory = replace(memory, looked_at=began)
        if memory.catch_up is not None and newest is not None:
            self._write(seen, replace(memory, catch_up=replace(memory.catch_up, mark=newest)))
        else:
            self._write(seen, memory, watermark=newest)
        return False

    def _mark(self, page: DealPage) -> datetime | None:
        """The newest ``creationDate`` down from which everything has been read; ``None``: nothing has."""
        catch_up = self.memory.catch_up
        mark = catch_up.mark if catch_up else self.run.watermark
        if mark is None or self.selection_changed:
            return None
        keepas_now = page.envelope.timestamp
        if mark > keepas_now + KEEPA_AHEAD:
            known = self._newest_known(keepas_now + KEEPA_AHEAD)
            log.warning("the watermark %s lies in the future; it goes back to %s", mark, known)
            return known
        if mark < keepas_now - ANCIENT:
            log.warning("the watermark %s is older than the feed: all of it is read again", mark)
        return mark

    def _newest_known(self, limit: datetime) -> datetime | None:
        query = select(func.max(Deal.deal_created_at)).where(
            Deal.domain_id == self.context.domain_id, Deal.deal_created_at <= limit
        )
        with self.context.database.session() as session:
            return session.scalar(query)

    def _hurry_down(self, memory: Memory, goal: datetime, newest: datetime | None) -> Memory:
        """Leave the rest of what is new to a sweep in a hurry; the watermark waits for it."""
        assert newest is not None
        down_to = memory.catch_up.down_to if memory.catch_up else goal
        plan = self._plan()
        log.info("much is new: a sweep of up to %d pages goes down to %s", plan.pages, down_to)
        sweep = Sweep(
            self.run.started_at, budget.HEAD_PAGES, max(plan.pages, budget.HEAD_PAGES + 1),
            hurry=True, is_whole=self.head_is_whole,
        )  # fmt: skip
        return replace(
            memory, catch_up=CatchUp(down_to, newest), sweep=sweep, plan=plan,
            reference=self._matching(), floor=self._floor(),
        )  # fmt: skip

    # -- how much there is -------------------------------------------------------------------
    def _doubted_since(self, first: PageRead) -> datetime | None:
        """Since when the feed has had less than half of its deals; ``None`` when it has not."""
        if first.total is None or first.total >= LEAST_SHARE * self.memory.reference:
            return None
        before = self.memory.doubted_at
        return before if before is not None and before <= self.now() else self.now()

    def _matching(self) -> int:
        """How many deals there are: as many as before, until a much smaller feed has lasted for a while."""
        since = self.memory.doubted_at
        if since is None or self.selection_changed or self.now() - since >= self.window / 2:
            return self.matching
        return self.memory.reference

    def _floor(self) -> datetime | None:
        """The oldest ``creationDate`` of the newest pages that this run has read."""
        if self.head is None or not self.memory.is_newest_first:
            return None
        return min(self.head.created, default=None)

    def _reference(self) -> int:
        """How many deals the feed is known to have had; 0: of this selection nobody knows."""
        return 0 if self.selection_changed else self.memory.reference

    # -- the sweep ---------------------------------------------------------------------------
    def _sweep_begins(self) -> bool:
        """Whether the sweep under way is over, or none is."""
        sweep, now = self.memory.sweep, self.now()
        if sweep is None or budget.is_lost(sweep, now, self.window):
            return True
        if not sweep.done:
            return False
        if budget.sweep_is_over(sweep, now, self.window, self.interval):
            return True
        return budget.is_due(self._next_page_start(), now, self.interval, self.window)

    def _begin_sweep(self) -> None:
        """Begin a sweep with the newest pages, which this run has just read."""
        memory, sweep, head = self.memory, self.memory.sweep, self.head
        assert head is not None
        lost = self.had_watermark if sweep is None else budget.is_lost(sweep, self.now(), self.window)
        plan = self._plan()
        done = min(head.number + 1, plan.pages)
        hurry = lost or self.selection_changed
        begun = Sweep(self.run.started_at, done, plan.pages, hurry=hurry, is_whole=self.head_is_whole)
        memory = replace(memory, sweep=begun, plan=plan, reference=self._matching(), floor=self._floor())
        if begun.done:
            memory = replace(memory, **self._when_complete(memory, begun, self.head))
        with self.run.commit(cursor=memory.to_json()):
            self.memory = memory

    def _plan(self) -> Plan:
        """What the next window is spent on, by what is there now."""
        settings = self.context.settings
        snapshot = self.context.tokens.snapshot()
        tick = timedelta(seconds=settings.keepa_tick_seconds)
        supply = Supply(snapshot.refill, tick, self.window) if snapshot else None
        plan = budget.make_plan(self._feed(), self.interval, supply)
        if plan.limit is not None and (self.memory.plan is None or self.memory.plan.limit != plan.limit):
            log.warning(
                "the selection matches %d deals; the newest %d are kept fresh: %s", plan.matching, plan.kept,
                f"{plan.needed} tokens a window would be needed, {plan.supply} come"
                if plan.limit is Limit.PLAN else "Keepa shows no more of one query",
            )  # fmt: skip
        return plan

    def _feed(self) -> Feed:
        """What is in the feed, and what came and went within the last window.

        Before the first whole sweep the table does not tell; the pages just read do.
        """
        since = self.now() - self.window
        if self.memory.swept_since is None and self.head is not None and not _is_down_to(self.head, since):
            head = self.head
            span = head.page.envelope.timestamp - min(head.created)
            return budget.at_first(self._matching(), (head.number + 1) * DEALS_PER_PAGE, span, self.window)
        left = select(func.count()).where(
            DealEvent.domain_id == self.context.domain_id,
            DealEvent.at > since,
            DealEvent.kind == DealEventKind.ENDED,
        )
        came = select(func.count()).where(
            Deal.domain_id == self.context.domain_id, Deal.ended_at.is_(None), Deal.deal_created_at > since
        )
        with self.context.database.session() as session:
            arriving, leaving = session.scalar(came) or 0, session.scalar(left) or 0
        options = options_for(self.context.selection)
        questions = leaving * options.documented_tokens_per_product() if options else 0
        return Feed(self._matching(), arriving, questions, self.window)

    def _page_deadline(self) -> datetime | None:
        """When the next page of the sweep has to be read at the latest; ``None``: not in this run."""
        sweep = self.memory.sweep
        if sweep is None or sweep.done:
            return None
        start = self._next_page_start()
        return start if budget.is_due(start, self.now(), self.interval, self.window) else None

    def _next_page_start(self) -> datetime:
        """When to read the next page at the latest: of the sweep under way, or of the one after it.

        The pages that the next sweep begins with come after those that this one has left, and may be due as
        soon: when the backfiller has read all of them at once.
        """
        sweep, floor = self.memory.sweep, self.memory.floor
        settings = self.context.settings
        tick = timedelta(seconds=settings.keepa_tick_seconds)
        pace = budget.page_pace(self.memory.plan, tick, settings.min_token_threshold)
        if sweep is None or sweep.done:
            seen = self._oldest_by_page()[1:]
            return budget.latest_start(Sweep(self.now(), 1, 1), self.window, seen, pace)
        again = self._oldest_by_page(above=floor)[1:] if floor else []
        seen = self._oldest_by_page(below=floor)
        return budget.latest_start(sweep, self.window, seen, pace, again)

    def _spare_tokens(self) -> int:
        """What may be spent on questions that no deal's freshness hangs on, before the next page is due."""
        plan = self.memory.plan
        if plan is None:
            return 0
        return budget.spare_tokens(self._next_page_start() - self.now(), plan.page_every)

    def _oldest_by_page(
        self, *, below: datetime | None = None, above: datetime | None = None
    ) -> list[datetime]:
        """For each page of the feed between these dates: when the first of the deals on it was last seen.

        Nothing, where the feed is not in the order that would tell on which page a deal stands.
        """
        if not self.memory.is_newest_first:
            return []
        sweep = self.memory.sweep
        position = func.row_number().over(order_by=Deal.deal_created_at.desc()) - 1
        listed = select(Deal.last_seen_at, (position // DEALS_PER_PAGE).label("page")).where(
            Deal.domain_id == self.context.domain_id, Deal.ended_at.is_(None), Deal.unlisted_at.is_(None)
        )
        if below is not None and sweep is not None:
            unread = and_(Deal.deal_created_at == below, Deal.listed_at < sweep.shows_since)
            listed = listed.where(or_(Deal.deal_created_at < below, unread))
        if above is not None and sweep is not None:  # what it went by and did not show is verified
            listed = listed.where(Deal.deal_created_at > above, Deal.listed_at >= sweep.started_at)
        if self.memory.horizon is not None:
            listed = listed.where(Deal.deal_created_at >= self.memory.horizon)
        if self.memory.swept_since is not None:  # what a whole sweep has missed is verified, not read again
            listed = listed.where(Deal.listed_at >= self.memory.swept_since)
        pages = listed.subquery()
        query = select(func.min(pages.c.last_seen_at)).group_by(pages.c.page).order_by(pages.c.page)
        with self.context.database.session() as session:
            return list(session.scalars(query))

    def _read_next_of_sweep(self) -> None:
        sweep = self.memory.sweep
        assert sweep is not None
        seen = self._read(sweep.next_page)
        pages, cut = sweep.pages, self._is_cut(self.memory)
        if seen.ends:
            pages = seen.number + 1
        elif seen.number + 1 >= pages and not cut:
            pages = seen.number + 2  # the feed has grown
        since = sweep.reading_since or self.run.started_at
        is_whole = sweep.is_whole and seen.is_whole(self._reference())
        sweep = replace(sweep, next_page=seen.number + 1, pages=pages, reading_since=since, is_whole=is_whole)
        ordered = self.memory.is_newest_first
        floor = min(seen.created, default=self.memory.floor) if ordered else None
        memory = replace(self.memory, sweep=sweep, floor=floor)
        watermark = {}
        catch_up = memory.catch_up
        if catch_up is not None and (sweep.done or (ordered and _is_down_to(seen, catch_up.down_to))):
            memory, watermark = replace(memory, catch_up=None), {"watermark": catch_up.mark}
        if sweep.done:
            memory = replace(memory, **self._when_complete(memory, sweep, seen))
        self._write(seen, memory, **watermark)

    def _is_cut(self, memory: Memory) -> bool:
        """Whether the sweep leaves out what the plan cannot pay."""
        return memory.plan is not None and memory.plan.limit is Limit.PLAN

    def _when_complete(self, memory: Memory, sweep: Sweep, last: PageRead | None) -> dict[str, Any]:
        """What a whole sweep leaves: everything it did not show it went by, down to where it ended.

        Of a feed in another order a sweep that is cut short tells nothing: what lies beyond may be anything.
        """
        is_short = last is not None and (self._is_cut(memory) or last.shows_no_more)
        horizon = None
        if is_short and last is not None and memory.is_newest_first:
            horizon = min(last.created, default=None)
        whole = memory.whole
        if sweep.is_whole and (memory.is_newest_first or not is_short):
            whole = (*whole, WholeSweep(sweep.started_at, horizon))[-WHOLE_SWEEPS_KEPT:]
        disordered_at = memory.disordered_at
        if disordered_at is not None and not sweep.started_at <= disordered_at <= self.now():
            disordered_at = None
        return {
            "swept_since": sweep.shows_since,
            "floor": None,
            "horizon": horizon,
            "whole": whole,
            "disordered_at": disordered_at,
        }

    # -- pages -------------------------------------------------------------------------------
    def _read(self, number: int) -> PageRead:
        page = read_page(self.run, newest_first(self.run), number)
        seen = page_read(page, number, self.context.selection)
        self.matching = seen.total or max(self.matching, seen.shown)
        if not seen.is_newest_first:
            self._note_disorder(number)
        return seen

    def _note_disorder(self, number: int) -> None:
        """Remember that the order proves nothing; said once. Never recorded, so not to be ruled out."""
        if self.memory.is_newest_first:
            log.warning(
                "page %d of the feed is not newest first, as asked for: until a sweep in order, new deals "
                "are found by the sweep alone, and no deal is doubted for not standing where it stood",
                number,
            )
        self.memory = replace(self.memory, disordered_at=self.now(), floor=None)

    def _write(self, seen: PageRead, memory: Memory, **watermark: datetime | None) -> None:
        memory = replace(memory, matching=self.matching)
        reach = seen.reach(self._reference()) if memory.is_newest_first else None
        is_short = memory.plan is not None and memory.plan.limit is Limit.PLAN
        write_page(
            self.run, seen.page, reach, ask=learn_families, thorough=not is_short,
            cursor=memory.to_json(), **watermark,
        )  # fmt: skip
        self.memory = memory


def _is_down_to(seen: PageRead, goal: datetime | None) -> bool:
    """Whether a feed that is newest first has been read down to ``goal``, or to its end."""
    return seen.ends or goal is None or min(seen.created) <= goal
