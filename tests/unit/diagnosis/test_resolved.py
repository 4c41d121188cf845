"""What has healed is told as past, and never as present."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keepa_deals.call_log import Answers, LastAnswer
from keepa_deals.deployment.supervisor_log import Supervision
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.evidence.logs import Trouble
from keepa_deals.diagnosis.resolved import healed
from keepa_deals.diagnosis.verdict import verdict
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.history import Gap, HistoryHealth, RunFailure
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.probing import Reading
from keepa_deals.keepa.time import unix_ms
from keepa_deals.tokens.counters import Counters
from tests.support.evidence import ago, down, evidence, healthy, home
from tests.support.health_reports import job, jobs

HISTORY = HistoryHealth(ago(hours=5), ago(seconds=30), (), (), ())
TOKENS = TokenHealth(40, 20, 1200, ago(seconds=20))


def answers(minutes: float, result: str = "502", count: int = 12) -> Answers:
    bad = {"/deal": LastAnswer(result, ago(minutes=minutes), 0.1, None)}
    return Answers({}, {}, bad, {("/deal", result): count, ("/deal", "200"): 40})


HEALED: list[tuple[str, str, Any]] = [
    ("beat_down", "once, for 1 s", evidence(supervision=Supervision({"beat": (down(12),)}))),
    (
        "worker_down",
        "2 times",
        evidence(supervision=Supervision({"worker-upsert": (down(50), down(9))})),
    ),
    (
        "redis_down",
        "SIGTERM",
        evidence(supervision=Supervision({"redis": (down(9, 40, "terminated by SIGTERM", died=False),)})),
    ),
    ("keepa_trouble", "12 × 502", evidence(healthy(keepa=answers(23)))),
    ("refused_429", "1 × 429", evidence(healthy(keepa=answers(23, "429", 1)))),
    (
        "upserter_behind",
        "02:10 to 02:20 UTC (10 min)",
        evidence(healthy(history=replace(HISTORY, gaps=(Gap(ago(minutes=50), ago(minutes=40)),)))),
    ),
    (
        "database_locked",
        "3 times",
        evidence(
            healthy(
                history=replace(
                    HISTORY, failures=(RunFailure("backfill_deals", "database is locked", 3, ago(minutes=9)),)
                )
            )
        ),
    ),
    (
        "redis_down",
        "Redis does not answer",
        evidence(troubles=(Trouble("celery_worker.log", ago(minutes=9), "upsert: Redis does not answer"),)),
    ),
    ("foreign_spender", "30 min", evidence(healthy(tokens=replace(TOKENS, foreign_at=ago(minutes=30))))),
    ("deals_stale", "40 deals", evidence(healthy(flow=FlowHealth({("stale", None): 40}, 0, 40)))),
    (
        "redis_lost_data",
        "12 min ago",
        evidence(healthy(tokens=replace(TOKENS, counters=Counters({"since": unix_ms(ago(minutes=12))})))),
    ),
]


@pytest.mark.parametrize(
    ("rule", "words", "case"), HEALED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_healed_fault_is_past_and_not_present(rule: str, words: str, case: Evidence) -> None:
    assert verdict(case) == ()
    (past,) = healed(case, ())
    assert past.rule == rule
    assert words in past.evidence


@pytest.mark.parametrize(
    "case",
    [
        evidence(),
        evidence(supervision=Supervision({"beat": (down(61),)})),
        evidence(supervision=Supervision({"beat": (down(5, 8, "terminated by SIGTERM", died=False),)})),
        evidence(healthy(keepa=answers(61))),
        evidence(healthy(tokens=replace(TOKENS, foreign_at=ago(minutes=61)))),
        evidence(healthy(tokens=replace(TOKENS, counters=Counters({"since": unix_ms(ago(hours=5))})))),
        evidence(healthy(keepa=Reading(error="no"), history=Reading(error="no"), tokens=Reading(error="no"))),
        evidence(home=home(readable=False), supervision=Supervision({"beat": (down(5),)})),
    ],
)
def test_what_is_old_or_meant_or_unknown_is_not_past(case: Evidence) -> None:
    assert healed(case, ()) == ()


def test_what_is_present_is_not_past_as_well() -> None:
    failing = jobs(job(last_outcome="failed", last_error="Keepa /deal: 502"))
    case = evidence(healthy(jobs=failing, keepa=answers(0.5)))
    causes = verdict(case)
    assert [cause.rule.name for cause in causes] == ["keepa_trouble"]
    assert healed(case, causes) == ()
