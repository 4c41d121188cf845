"""One slice of the backfiller: crawls each feed once, then enriches deals, with the tokens left over."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from keepa_deals.ingest.backfill.crawl import crawl
from keepa_deals.ingest.backfill.enrich import asins_to_enrich, enrich
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.run import Outcome, Run, RunResult, run_job
from keepa_deals.jobs import BACKFILL_JOB

SLICE_SECONDS = 50.0


def run_slice(context: IngestContext, *, seconds: float = SLICE_SECONDS) -> RunResult:
    """Work for at most about ``seconds``; the cursor in the database says where the next slice goes on."""
    return run_job(context, BACKFILL_JOB, lambda run: _work(run, context.clock.monotonic() + seconds))


def _work(run: Run, deadline: float) -> Outcome:
    runs = _by_search(run)
    try:
        return _fill(runs, deadline)
    finally:
        if runs != [run]:
            run.rows += sum(one.rows for one in runs)
            run.tokens_spent += sum(one.tokens_spent for one in runs)


def _by_search(run: Run) -> list[Run]:
    """The run for each search that Keepa does not refuse."""
    source = run.context.searches
    if source is None:
        return [run]
    with run.commit() as session:
        searches = source(session)
    going = [search for search in searches if search.error is None]
    return [run.of(search) for search in going or searches]


def _fill(runs: Sequence[Run], deadline: float) -> Outcome:
    """Crawl what has not been crawled, then enrich: a batch of each search in turn, until none is left."""
    if not all(crawl(run, deadline) for run in runs):
        return Outcome.SUCCEEDED
    has_batches, waiting = False, deque(runs)
    while waiting:
        run = waiting.popleft()
        left = deadline - run.context.clock.monotonic()
        if left <= 0:
            return Outcome.SUCCEEDED
        asins = asins_to_enrich(run.context)
        if asins:
            enrich(run, asins, timeout=left)
            has_batches = True
            waiting.append(run)
    is_done = has_batches or any(run.rows for run in runs)
    return Outcome.SUCCEEDED if is_done else Outcome.NOTHING_TO_DO
