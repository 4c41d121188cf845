"""Causes at Keepa and in the account: key, query, answers, tokens, clocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from keepa_deals.diagnosis.causes import RESTART, Finding, classify
from keepa_deals.diagnosis.errors_of_jobs import last_error
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.health.readiness import age_text, duration_text, upserter_is_behind
from keepa_deals.health.report import UPSERT_JOB
from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS

CLOCK_TOLERANCE = timedelta(seconds=30)
SILENT_AFTER = timedelta(seconds=10)
"""Keepa answers what we ask within a second or two."""
FAILURES_IN_ROW = 2
PRESENT_INTERVALS = 5
"""What happened within so many intervals goes on; what is older is past."""


def present(e: Evidence) -> timedelta:
    """How long something that happens once an interval counts as going on."""
    seconds = max(e.settings.keepa_tick_seconds, e.settings.upsert_interval_seconds)
    return timedelta(seconds=PRESENT_INTERVALS * seconds)


def key_refused(e: Evidence) -> Iterator[Finding]:
    live = e.token_status.error if e.token_status else None
    told = live and classify(live) == "key_refused"
    text = live if told else last_error(e, "key_refused") or _in_row(e, ("402", "key_refused"))
    if text:
        yield Finding(text)


def selection_rejected(e: Evidence) -> Iterator[Finding]:
    text = e.selection.error or last_error(e, "selection_rejected")
    if text:
        yield Finding(text)


def keepa_trouble(e: Evidence) -> Iterator[Finding]:
    live = e.token_status.error if e.token_status else None
    text = last_error(e, "keepa_trouble") or (live if live and classify(live) == "keepa_trouble" else "")
    text = text or _in_row(e, ("no_answer", "no_connection", "unreadable", "500", "502", "503", "504"))
    text = text or _silence(e)
    if not text:
        return
    answers = e.report.keepa.value
    good = max((a.at for a in answers.last_good.values()), default=None) if answers else None
    when = f"its last good answer came {age_text(good, e.report.taken_at)}" if good else "none was good yet"
    yield Finding(f"{text}; {when}")


def _in_row(e: Evidence, results: tuple[str, ...]) -> str:
    """Calls that fail attempt after attempt, in words; empty when none does."""
    answers = e.report.keepa.value
    for call, count in answers.failures_in_row.items() if answers else ():
        last = answers.last_bad.get(call) if answers else None
        if last and count >= FAILURES_IN_ROW and last.result in results:
            return f"Keepa {call}: {count} attempts in a row failed, the last one with {last.result}"
    return ""


def _silence(e: Evidence) -> str:
    """A call under way that is not being answered, in words; empty when there is none."""
    tokens, lock, answers = e.report.tokens.value, e.report.lock(UPSERT_JOB), e.report.keepa.value
    job, now = e.report.job(UPSERT_JOB), e.report.taken_at
    if tokens is None or answers is None or job is None or not job.running or job.last_started_at is None:
        return ""
    if not tokens.reserved or tokens.small.waiting or lock is None or lock.owner is None:
        return ""
    heard = max((answer.at for answer in answers.last.values()), default=job.last_started_at)
    waits = now - max(heard, job.last_started_at)
    return f"Keepa has not answered for {waits.total_seconds():.0f} s" if waits > SILENT_AFTER else ""


def clock_wrong(e: Evidence) -> Iterator[Finding]:
    report, now = e.report, e.report.taken_at
    redis = report.redis.value
    if redis and abs(redis.clock - now) > CLOCK_TOLERANCE:
        yield Finding(f"Redis's clock and this machine's differ by {abs(redis.clock - now)}")
    offset = keepa_clock(e)
    if offset is not None and abs(offset) > CLOCK_TOLERANCE.total_seconds():
        yield Finding(f"Keepa's clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} ours")
    job = report.job(UPSERT_JOB)
    if job and job.last_success_at and job.last_success_at - now > CLOCK_TOLERANCE:
        ahead = duration_text((job.last_success_at - now).total_seconds())
        yield Finding(f"{UPSERT_JOB} last succeeded {ahead} in the future: the clock was set back")


def keepa_clock(e: Evidence) -> float | None:
    """Seconds by which Keepa's clock is ahead of ours, by its last answer; ``None`` when nobody knows.

    The books only keep the offset of the answer that they took last, and they take none that seems old.
    """
    answers, tokens = e.report.keepa.value, e.report.tokens.value
    if answers is not None and answers.clock_ahead is not None:
        return answers.clock_ahead
    return tokens.clock_offset_seconds if tokens else None


def foreign_spender(e: Evidence) -> Iterator[Finding]:
    tokens = e.report.tokens.value
    if tokens is None:
        return
    total = tokens.counters.get("foreign", 0)
    if tokens.foreign_at and e.report.taken_at - tokens.foreign_at <= present(e):
        when = age_text(tokens.foreign_at, e.report.taken_at)
        yield Finding(
            f"tokens are missing that we did not spend: up to {tokens.foreign_tokens} between two answers, "
            f"{total} in all, last {when}"
        )
    elif (drift := live_drift(e)) is not None and drift > tokens.reserved:
        yield Finding(f"Keepa has {drift} tokens less than our books say, {tokens.reserved} are in flight")


def live_drift(e: Evidence) -> int | None:
    """By how many tokens our books exceed what ``/token`` says; ``None`` when it was not asked."""
    tokens, told = e.report.tokens.value, e.token_status and e.token_status.value
    if tokens is None or tokens.available is None or not told:
        return None
    return tokens.available + tokens.reserved - told.tokens_left


def refused_429(e: Evidence) -> Iterator[Finding]:
    answers, tokens = e.report.keepa.value, e.report.tokens.value
    for call, answer in answers.last_bad.items() if answers else ():
        if answer.result == "429" and e.report.taken_at - answer.at <= present(e):
            count = answers.counts.get((call, "429"), 0) if answers else 0
            if tokens is not None and tokens.refused_at_tick and count <= 1:
                continue  # a tick came late once: that means nothing
            when = age_text(answer.at, e.report.taken_at)
            yield Finding(f"Keepa refused {call} for lack of tokens {count} times of late, last {when}")


def token_starvation(e: Evidence) -> Iterator[Finding]:
    tokens = e.report.tokens.value
    if tokens is None or tokens.available is None:
        return
    longest = tokens.small.longest_wait_seconds or 0
    if longest > patience_of_small(e):
        yield Finding(
            f"a small request has waited {duration_text(longest)} at a balance of {tokens.available}"
        )
    elif tokens.is_deep or (tokens.available < 0 and upserter_is_behind(e.report)):
        tick = age_text(tokens.next_tick_at, e.report.taken_at) if tokens.next_tick_at else "sometime"
        yield Finding(
            f"the balance is {tokens.available}, {tokens.refill_rate} tokens come a minute, the next {tick}"
        )


def patience_of_small(e: Evidence) -> float:
    """Seconds that a small request may wait: a page's tokens have to come, and two ticks more."""
    rate = (e.report.tokens.value.refill_rate if e.report.tokens.value else None) or 1
    return (2 + DEAL_PAGE_TOKENS // rate) * e.settings.keepa_tick_seconds


def budget_too_small(e: Evidence) -> Iterator[Finding]:
    plan, tokens = plan_of(e), e.report.tokens.value
    window = e.settings.deal_fresh_minutes * 60 / e.settings.keepa_tick_seconds
    come = tokens.refill_rate * window if tokens and tokens.refill_rate else None
    if plan and come is not None and plan["needed"] > come:  # also before the next sweep's plan knows of it
        yield Finding(
            f"{plan['needed']} tokens are needed each {e.settings.deal_fresh_minutes} minutes, "
            f"{come:.0f} come"
        )
    elif plan.get("limit") == "plan":
        yield Finding(
            f"{plan['needed']} tokens are needed each {e.settings.deal_fresh_minutes} minutes, "
            f"{plan['supply']} come: the newest {plan['kept']} of {plan['matching']} deals are kept fresh"
        )


def plan_of(e: Evidence) -> Mapping[str, Any]:
    """What the upserter plans for a freshness window (``ingest.upsert.state``); empty before it knows."""
    job = e.report.job(UPSERT_JOB)
    return ((job.cursor if job else None) or {}).get("plan") or {}


def selection_matches_nothing(e: Evidence) -> Iterator[Finding]:
    job, deals = e.report.job(UPSERT_JOB), e.report.deals.value
    if job is None or deals is None or upserter_is_behind(e.report) or job.last_outcome != "succeeded":
        return
    matching = plan_of(e).get("matching")
    if matching == 0 or (matching is None and not deals.live):
        yield Finding(
            f"{UPSERT_JOB} succeeds, and Keepa shows it no deal",
            f"widen {e.settings.keepa_deal_selection}, then {RESTART}",
        )
