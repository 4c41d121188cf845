"""The seller who is connected at Amazon: nobody learns any more what may be sold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import Alert, Finding, Rank, Signs, rule
from keepa_deals.health.parts import seller

SILENT = timedelta(minutes=30)
"""The job asks each minute: what has failed for so long is no hiccup."""


@rule(
    rank=Rank.ASIDE,
    meaning="Amazon refuses the connected seller: whether deals may be sold is not asked any more.",
    seen_by="a log-in or a call that Amazon refused, or a channels.key that does not fit",
    fix="keepa-deals seller connect, with what Seller Central shows now",
    alert=Alert("keepa_deals_seller_refused > 0", "0m"),
    signs=Signs(("login with amazon refuses", "connect the seller again", "the application needs the roles")),
)
def seller_refused(evidence: Evidence) -> Iterator[Finding]:
    state = evidence.report.value(seller.PART)
    if state and state.refusal:
        yield Finding(f"{state.refusal} ({evidence.age(state.refused_at)})")


@rule(
    rank=Rank.ASIDE,
    meaning="Amazon does not answer the connected seller.",
    seen_by="no answer for half an hour, and the last call failed",
    fix="look whether this machine reaches Amazon; it is tried each minute, and goes on by itself",
    follows="seller_refused",
    signs=Signs(
        (
            "amazon getlistingsrestrictions",
            "amazon getmyfeesestimates",
            "login with amazon",
            "amazon’s answer",
        )
    ),
    alert=Alert("keepa_deals_seller_unanswered > 0", "30m"),
)
def seller_unanswered(evidence: Evidence) -> Iterator[Finding]:
    state = evidence.report.value(seller.PART)
    if state is None or not state.trouble or state.connected_at is None:
        return
    since = state.answered_at or state.connected_at
    if evidence.report.taken_at - since > SILENT:
        yield Finding(f"{state.trouble}; the last answer came {evidence.age(since)}")
