"""One slice of the backfiller: crawls the whole feed once, then enriches deals, with the tokens left over."""

from __future__ import annotations

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
    if not crawl(run, deadline):
        return Outcome.SUCCEEDED
    done = 0
    while (left := deadline - run.context.clock.monotonic()) > 0:
        asins = asins_to_enrich(run.context)
        if not asins:
            return Outcome.SUCCEEDED if done or run.rows else Outcome.NOTHING_TO_DO
        enrich(run, asins, timeout=left)
        done += 1
    return Outcome.SUCCEEDED
