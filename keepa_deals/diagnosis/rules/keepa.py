"""Causes at Keepa: the key, the deal query, the answers, the clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from keepa_deals.db.models import SearchState
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import (
    RESTART,
    Alert,
    Finding,
    Precedence,
    Rank,
    Signs,
    Stops,
    classify,
    last_error,
    rule,
    start_again,
)
from keepa_deals.diagnosis.rules.tokens import upserter_plan
from keepa_deals.health.parts.keepa import failing_in_row
from keepa_deals.health.problems import upserter_is_behind
from keepa_deals.health.troubles import CORRECT_KEY, KEY_REFUSED, KEY_RESULTS
from keepa_deals.humanize import duration_text
from keepa_deals.jobs import UPSERT_JOB

CLOCK_TOLERANCE = timedelta(seconds=30)
_TROUBLE_RESULTS = ("no_answer", "no_connection", "unreadable", "500", "502", "503", "504")
SILENT_AFTER = timedelta(seconds=10)
"""Keepa answers what we ask within a second or two."""


@rule(
    rank=Rank.KEEPA,
    meaning="The Keepa of this deployment does not run.",
    seen_by="started with --sandbox, and no sandbox process of ours",
    fix=RESTART,
    stops=Stops.UPSERTER,
    follows="not_running program_crashing",
    alert=None,
)
def sandbox_down(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours()
    if evidence.with_sandbox and evidence.processes.known and ours and "sandbox" not in ours:
        yield Finding(f"the sandbox at {evidence.settings.keepa_api_url} does not run", start_again(evidence))


@rule(
    rank=Rank.KEEPA,
    meaning="Keepa answers nothing to this key.",
    seen_by="402 from Keepa, or a 400 whose account data are all zero",
    fix=f"{CORRECT_KEY}, then {RESTART}",
    stops=Stops.UPSERTER,
    alert=Alert("sum(increase(keepa_deals_keepa_answers_total{result=~'402|key_refused'}[10m])) > 0", "0m"),
    signs=Signs((KEY_REFUSED,), Precedence.KEEPA),
)
def key_refused(evidence: Evidence) -> Iterator[Finding]:
    live = evidence.token_status.error if evidence.token_status else None
    told = live and classify(live) == "key_refused"
    text = live if told else last_error(evidence, "key_refused")
    text = text or failing_in_row(evidence.report, KEY_RESULTS)
    if text:
        yield Finding(text)


@rule(
    rank=Rank.KEEPA,
    meaning="The deal query cannot be used.",
    seen_by="its file cannot be used, or Keepa rejects it (400)",
    fix=f"correct the file in KEEPA_DEAL_SELECTION, then {RESTART}",
    stops=Stops.UPSERTER,
    alert=Alert("increase(keepa_deals_keepa_answers_total{result=~'400|rejected'}[10m]) > 0", "0m"),
    signs=Signs(("request rejected",), Precedence.KEEPA),
)
def selection_rejected(evidence: Evidence) -> Iterator[Finding]:
    text = evidence.selection.error or last_error(evidence, "selection_rejected")
    if text:
        yield Finding(text)


@rule(
    rank=Rank.KEEPA,
    meaning="One of the searches is not read; its deals go stale. The others go on.",
    seen_by="Keepa refused the query of an active search, or its file cannot be used",
    fix="correct its query (keepa-deals search list); the next run sends it again, without a restart",
    follows="selection_rejected",
    alert=Alert("max by (search) (keepa_deals_search_refused) == 1"),
)
def search_refused(evidence: Evidence) -> Iterator[Finding]:
    for search in evidence.report.searches:
        if search.error is not None and search.search.state is SearchState.ACTIVE:
            yield Finding(f"{search.name}: {search.error}")


@rule(
    rank=Rank.KEEPA,
    meaning="Ticks and ages are counted wrongly.",
    seen_by="our clock is 30 s or more off Keepa's or Redis's, or runs lie in the future",
    fix="set the clock (timedatectl set-ntp true)",
    stops=Stops.UPSERTER,
    follows="process_suspended",
    alert=Alert("abs(keepa_deals_keepa_clock_ahead_seconds) > 30"),
)
def clock_wrong(evidence: Evidence) -> Iterator[Finding]:
    report, now = evidence.report, evidence.report.taken_at
    redis = report.redis.value
    if redis and abs(redis.clock - now) > CLOCK_TOLERANCE:
        yield Finding(f"Redis's clock and this machine's differ by {abs(redis.clock - now)}")
    offset = keepa_clock(evidence)
    if offset is not None and abs(offset) > CLOCK_TOLERANCE.total_seconds():
        yield Finding(f"Keepa's clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} ours")
    job = report.job(UPSERT_JOB.name)
    if job and job.last_success_at and job.last_success_at - now > CLOCK_TOLERANCE:
        ahead = duration_text((job.last_success_at - now).total_seconds())
        yield Finding(f"{UPSERT_JOB.name} last succeeded {ahead} in the future: the clock was set back")


def keepa_clock(evidence: Evidence) -> float | None:
    """Seconds by which Keepa's clock is ahead of ours, by its last answer; ``None`` when nobody knows.

    The books only keep the offset of the answer that they took last, and they take none that seems old.
    """
    answers, tokens = evidence.report.keepa.value, evidence.report.tokens.value
    if answers is not None and answers.clock_ahead is not None:
        return answers.clock_ahead
    return tokens.clock_offset_seconds if tokens else None


@rule(
    rank=Rank.KEEPA,
    meaning="Keepa fails or cannot be reached; deals go stale until it is back.",
    seen_by="a job's last run failed for it after all its attempts, or attempts fail in a row",
    fix="wait: the next run tries again; if the network is ours, mend it (the workers use no proxy: "
    "curl --noproxy '*' -sS https://api.keepa.com)",
    stops=Stops.UPSERTER,
    follows="sandbox_down process_suspended",
    alert=Alert(
        "increase(keepa_deals_keepa_answers_total{result=~'5..|no_.*|unreadable'}[10m]) > 0 "
        "and on () keepa_deals_job_failed{job='update_recent_deals'} == 1"
    ),
    signs=Signs(("Keepa /",), Precedence.KEEPA_AT_ALL),
)
def keepa_trouble(evidence: Evidence) -> Iterator[Finding]:
    live = evidence.token_status.error if evidence.token_status else None
    text = last_error(evidence, "keepa_trouble") or (
        live if live and classify(live) == "keepa_trouble" else ""
    )
    text = text or failing_in_row(evidence.report, _TROUBLE_RESULTS)
    text = text or _silence(evidence)
    if not text:
        return
    answers = evidence.report.keepa.value
    good = max((a.at for a in answers.last_good.values()), default=None) if answers else None
    when = f"its last good answer came {evidence.age(good)}" if good else "none was good yet"
    yield Finding(f"{text}; {when}")


def _silence(evidence: Evidence) -> str:
    """A call under way that is not being answered, in words; empty when there is none."""
    tokens, lock, answers = (
        evidence.report.tokens.value,
        evidence.report.lock(UPSERT_JOB.name),
        evidence.report.keepa.value,
    )
    job, now = evidence.report.job(UPSERT_JOB.name), evidence.report.taken_at
    if tokens is None or answers is None or job is None or not job.running or job.last_started_at is None:
        return ""
    if not tokens.reserved or tokens.small.waiting or lock is None or lock.owner is None:
        return ""
    heard = max((answer.at for answer in answers.last.values()), default=job.last_started_at)
    waits = now - max(heard, job.last_started_at)
    return f"Keepa has not answered for {waits.total_seconds():.0f} s" if waits > SILENT_AFTER else ""


@rule(
    rank=Rank.WORK,
    meaning="The query finds no deals.",
    seen_by="the upserter succeeds, and Keepa tells it of no matching deal",
    fix=f"widen the file in KEEPA_DEAL_SELECTION, then {RESTART}",
    alert=Alert(
        "keepa_deals_deals{status='live'} == 0 and on () "
        "time() - keepa_deals_job_last_success_timestamp_seconds{job='update_recent_deals'} < 300"
    ),
)
def selection_matches_nothing(evidence: Evidence) -> Iterator[Finding]:
    job, deals = evidence.report.job(UPSERT_JOB.name), evidence.report.deals.value
    if job is None or deals is None or upserter_is_behind(evidence.report) or job.last_outcome != "succeeded":
        return
    plan = upserter_plan(evidence)
    matching = plan.matching if plan else None
    if matching == 0 or (matching is None and not deals.live):
        yield Finding(
            f"{UPSERT_JOB.name} succeeds, and Keepa shows it no deal",
            f"widen {evidence.settings.keepa_deal_selection}, then {RESTART}",
        )
