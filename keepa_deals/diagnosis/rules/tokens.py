"""Causes in the account: who spends its tokens, and whether they suffice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import Alert, Finding, Rank, Stops, rule
from keepa_deals.health.parts.searches import SearchHealth
from keepa_deals.health.problems import upserter_is_behind
from keepa_deals.health.troubles import SPEND_LESS
from keepa_deals.humanize import duration_text
from keepa_deals.ingest.upsert.budget import Limit, Plan
from keepa_deals.ingest.upsert.state import plan_of
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS

PRESENT_INTERVALS = 5
"""What happened within so many intervals goes on; what is older is past."""


@rule(
    rank=Rank.KEEPA,
    meaning="Another program spends the same key's tokens.",
    seen_by="between two answers more tokens went than we spent, within the last five intervals",
    fix="find it, or give it a key of its own",
    alert=Alert("time() - keepa_deals_tokens_foreign_timestamp_seconds < 300"),
)
def foreign_spender(evidence: Evidence) -> Iterator[Finding]:
    tokens = evidence.report.tokens.value
    if tokens is None:
        return
    total = tokens.counters.total("foreign")
    if tokens.foreign_at and evidence.report.taken_at - tokens.foreign_at <= present(evidence):
        when = evidence.age(tokens.foreign_at)
        yield Finding(
            f"tokens are missing that we did not spend: up to {tokens.foreign_tokens} between two answers, "
            f"{total} in all, last {when}"
        )
    elif (drift := live_drift(evidence)) is not None and drift > 0:
        yield Finding(f"Keepa has {drift} tokens less than our books say")


def live_drift(evidence: Evidence) -> int | None:
    """By how many tokens our books exceed what ``/token`` says; ``None`` when it was not asked."""
    account = evidence.token_status.value if evidence.token_status else None
    return account.drift if account else None


@rule(
    rank=Rank.KEEPA,
    meaning="The balance in our books was too high.",
    seen_by="Keepa answered 429 within the last five intervals, other than once because a tick came late",
    fix="nothing, if it was once: the answer corrected the books; else look for a foreign spender (--live)",
    stops=Stops.UPSERTER,
    follows="foreign_spender clock_wrong redis_lost_data token_starvation",
    alert=Alert(
        "increase(keepa_deals_tokens_rejected_429_total[10m]) "
        "- increase(keepa_deals_tokens_rejected_at_tick_total[10m]) > 0",
        "0m",
    ),
)
def refused_429(evidence: Evidence) -> Iterator[Finding]:
    answers, tokens = evidence.report.keepa.value, evidence.report.tokens.value
    for call, answer in answers.last_bad.items() if answers else ():
        if answer.result == "429" and evidence.report.taken_at - answer.at <= present(evidence):
            count = answers.counts.get((call, "429"), 0) if answers else 0
            if tokens is not None and tokens.refused_at_tick and count <= 1:
                continue  # a tick came late once: that means nothing
            when = evidence.age(answer.at)
            yield Finding(f"Keepa refused {call} for lack of tokens {count} times of late, last {when}")


@rule(
    rank=Rank.KEEPA,
    meaning="The upserter does not get its tokens in time.",
    seen_by="a small request waits two ticks longer than its tokens take; or the next page of deals is ten "
    "ticks away; or a negative balance, and no success",
    fix="wait for the balance (Keepa is asked again every five ticks); or a larger plan, or a longer "
    "UPSERT_INTERVAL_SECONDS",
    stops=Stops.UPSERTER,
    follows="foreign_spender budget_too_small",
    alert=Alert("keepa_deals_token_longest_wait_seconds{lane='small'} > 120", "0m"),
)
def token_starvation(evidence: Evidence) -> Iterator[Finding]:
    tokens = evidence.report.tokens.value
    if tokens is None or tokens.available is None:
        return
    longest = tokens.small.longest_wait_seconds or 0
    if longest > patience_of_small(evidence):
        yield Finding(
            f"a small request has waited {duration_text(longest)} at a balance of {tokens.available}"
        )
    elif tokens.is_deep or (tokens.available < 0 and upserter_is_behind(evidence.report)):
        tick = evidence.age(tokens.next_tick_at) if tokens.next_tick_at else "sometime"
        yield Finding(
            f"the balance is {tokens.available}, {tokens.refill_rate} tokens come a minute, the next {tick}"
        )


def patience_of_small(evidence: Evidence) -> float:
    """Seconds that a small request may wait: a page's tokens have to come, and two ticks more."""
    rate = (evidence.report.tokens.value.refill_rate if evidence.report.tokens.value else None) or 1
    return (2 + DEAL_PAGE_TOKENS // rate) * evidence.settings.keepa_tick_seconds


@rule(
    rank=Rank.KEEPA,
    meaning="The plan cannot keep so many deals fresh.",
    seen_by="the upserter's plan needs more tokens in a freshness window than come",
    fix=SPEND_LESS,
    alert=None,
)
def budget_too_small(evidence: Evidence) -> Iterator[Finding]:
    if len(evidence.report.searches) > 1:
        yield from _short(evidence.report.searches)
        return
    plan, tokens = upserter_plan(evidence), evidence.report.tokens.value
    window = evidence.settings.fresh_for / timedelta(seconds=evidence.settings.keepa_tick_seconds)
    come = tokens.refill_rate * window if tokens and tokens.refill_rate else None
    if plan and come is not None and plan.needed > come:  # also before the next sweep's plan knows of it
        yield Finding(
            f"{plan.needed} tokens are needed each {evidence.settings.deal_fresh_minutes} minutes, "
            f"{come:.0f} come"
        )
    elif plan and plan.limit is Limit.PLAN:
        yield Finding(
            f"{plan.needed} tokens are needed each {evidence.settings.deal_fresh_minutes} minutes, "
            f"{plan.supply} come: the newest {plan.kept} of {plan.matching} deals are kept fresh"
        )


def _short(searches: Sequence[SearchHealth]) -> Iterator[Finding]:
    """Of several searches those that keep only their newest deals."""
    for search in searches:
        plan = search.plan
        if plan is not None and plan.limit is Limit.PLAN and search.state == "active":
            yield Finding(
                f"the search {search.name} keeps the newest {plan.kept} of {plan.matching} deals fresh: "
                f"{search.needed_a_minute} tokens a minute would keep all"
            )


def present(evidence: Evidence) -> timedelta:
    """How long something that happens once an interval counts as going on."""
    seconds = max(evidence.settings.keepa_tick_seconds, evidence.settings.upsert_interval_seconds)
    return timedelta(seconds=PRESENT_INTERVALS * seconds)


def upserter_plan(evidence: Evidence) -> Plan | None:
    """What the upserter plans for a freshness window; ``None`` before it knows."""
    job = evidence.report.job(UPSERT_JOB.name)
    return plan_of(job.cursor) if job else None
