"""Causes and consequences in the deals: how many there are, and how many are stale."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import Alert, Finding, Rank, Stops, rule
from keepa_deals.health.parts.history import Point

FALL = 0.2
"""A loss of this part of the live deals within the hour is no normal change."""
FEW = 20
MERGED = "merged"
"""A deal that goes on under another variation of its product has left the list, but nothing is lost."""
LIVE = "keepa_deals_deals{status='live'}"
OPEN = "sum(keepa_deals_deals{status=~'live|stale'})"


@rule(
    rank=Rank.WORK,
    meaning="Deals leave because they are ended, by Keepa's word, or deleted, by somebody's hand.",
    seen_by="more than a fifth of the live deals ended within the hour, or rows vanished",
    fix="look at the reasons: /?status=ended on the dashboard; widen the selection if it is too narrow",
    follows="selection_matches_nothing",
    alert=None,
)
def janitor_at_work(evidence: Evidence) -> Iterator[Finding]:
    """Deals leave in numbers because they are ended, or rows vanish from the table."""
    deals, flow, most = evidence.report.deals.value, evidence.report.flow.value, fullest(evidence)
    if deals is None or flow is None or most is None:
        return
    ended = {reason: n for (kind, reason), n in flow.last_hour.items() if kind == "ended"}
    total = sum(n for reason, n in ended.items() if reason != MERGED)
    vanished = most.total - deals.total
    if fell(most.live, deals.live) and total > max(FEW, FALL * most.live):
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(ended.items(), key=str))
        yield Finding(f"{total} deals ended within the last hour ({reasons}), {flow.arrivals} came")
    elif vanished > max(FEW, FALL * most.total):
        yield Finding(f"the table has {deals.total} deals, {vanished} less than {_when(evidence, most)}")


@rule(
    rank=Rank.ASIDE,
    meaning="Some rows of the table hold what they can't hold. They are in no list; all others are.",
    seen_by="a look at every row's values; log/dashboard.log names those that the dashboard leaves out",
    fix="mend or delete the named rows of deals; if this service wrote them, report it with --bundle FILE",
    alert=Alert("keepa_deals_unreadable_deals > 0", "15m"),
)
def deals_unreadable(evidence: Evidence) -> Iterator[Finding]:
    unreadable = evidence.report.unreadable
    if unreadable is not None and unreadable.count:
        examples = "; ".join(unreadable.examples[:3])
        yield Finding(f"{unreadable.count} {'row' if unreadable.count == 1 else 'rows'} of deals: {examples}")


@rule(
    rank=Rank.OUTCOME,
    meaning="Deals that may still hold are no longer shown as live.",
    seen_by="more than 2 % of the open deals were not verified in time",
    fix="wait for the next sweep; see the causes above",
    follows_what_stops=Stops.UPSERTER,
    follows="upserter_behind budget_too_small",
    alert=Alert(f"keepa_deals_deals{{status='stale'}} > on () 0.02 * {OPEN}"),
)
def deals_stale(evidence: Evidence) -> Iterator[Finding]:
    deals = evidence.report.deals.value
    if deals and deals.stale > max(5, (deals.live + deals.stale) // 50):
        yield Finding(f"{deals.stale} of {deals.live + deals.stale} open deals were not verified in time")


@rule(
    rank=Rank.OUTCOME,
    meaning="The number of live deals falls.",
    seen_by="a fifth of the live deals of the last hour's best minute is gone",
    fix="see the causes above",
    follows_what_stops=Stops.UPSERTER,
    follows="upserter_behind budget_too_small deals_stale janitor_at_work selection_matches_nothing",
    alert=Alert(f"{LIVE} < 0.8 * max_over_time({LIVE}[1h])"),
)
def deals_dwindling(evidence: Evidence) -> Iterator[Finding]:
    deals, most = evidence.report.deals.value, fullest(evidence)
    if deals is None or most is None or not fell(most.live, deals.live):
        return
    stale, ended = deals.stale - most.stale, deals.ended - most.ended
    yield Finding(
        f"{deals.live} deals are live, {most.live} were {_when(evidence, most)}: "
        f"{max(0, stale)} went stale, {max(0, ended)} ended since"
    )


def fullest(evidence: Evidence) -> Point | None:
    """The minute of the last hour with the most live deals."""
    history = evidence.report.history.value
    return max(history.curve, key=lambda point: point.live, default=None) if history else None


def fell(before: int, now: int) -> bool:
    """Whether so many are gone that it wants a reason."""
    return before - now > max(FEW, FALL * before)


def _when(evidence: Evidence, point: Point) -> str:
    return evidence.age(point.at)
