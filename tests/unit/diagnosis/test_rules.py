"""From evidence to causes: each rule by its own evidence, and none in a service in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepa_deals import settings as settings_module
from keepa_deals.call_log import Answers, LastAnswer
from keepa_deals.db.models import SearchState
from keepa_deals.db.soundness import Unreadable
from keepa_deals.deployment.supervisor_log import Supervision
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.evidence.pid_files import PidFile
from keepa_deals.diagnosis.evidence.sqlite import LockHolder
from keepa_deals.diagnosis.rules import RULES, classify
from keepa_deals.diagnosis.verdict import explanations, verdict
from keepa_deals.health.parts.database import DatabaseHealth
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.history import HistoryHealth, Point
from keepa_deals.health.parts.host import HostHealth
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.parts.queues import QueueHealth
from keepa_deals.health.parts.seller import SellerHealth
from keepa_deals.health.parts.tokens import LaneHealth, TokenHealth
from keepa_deals.health.probing import Reading
from keepa_deals.ingest.upsert.budget import Limit
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.tokens.counters import Counters
from tests.support.evidence import HOME, PROGRAMS, ago, down, evidence, healthy, home, process, table
from tests.support.health_reports import alerts as alerts_health
from tests.support.health_reports import deals, job, jobs, redis_health, search

TOKENS = TokenHealth(40, 20, 1200, ago(seconds=20))
MB = 1 << 20


def failed(words: str) -> Any:
    return healthy(jobs=jobs(job(last_outcome="failed", last_error=words)))


SILENT = Answers({}, {}, {"/deal": LastAnswer("no_answer", ago(), 30, None)}, {}, {"/deal": 2})


def in_row(call: str, result: str) -> Answers:
    return Answers({}, {}, {call: LastAnswer(result, ago(), 0.1, None)}, {}, {call: 2})


def planned(**plan: Any) -> Any:
    others = {"needed": 900, "supply": 300, "pages": 2, "head_every_seconds": 60.0, "page_every_seconds": 0.0}
    return healthy(jobs=jobs(job(cursor={"plan": {**others, **plan}})))


def curve(*live: int) -> HistoryHealth:
    points = tuple(Point(ago(minutes=50 - i), n, 0, 0) for i, n in enumerate(live))
    return HistoryHealth(ago(hours=5), ago(seconds=30), points, (), ())


CASES: dict[str, list[Any]] = {
    "not_running": [evidence(processes=table(without=PROGRAMS))],
    "settings_wrong": [evidence(settings_error="DASHBOARD_PORT='http': must be a number")],
    "disk_full": [
        evidence(healthy(host=HostHealth(90 * MB, 9000 * MB, 10, 8 << 30, 16 << 30))),
        evidence(healthy(host=HostHealth(5 * MB, 64 * MB, 10, 8 << 30, 16 << 30))),
        evidence(healthy(host=HostHealth(9 << 30, 10 << 30, 0, 8 << 30, 16 << 30))),
        evidence(failed("database or disk is full")),
    ],
    "home_not_writable": [
        evidence(home=home(read_only=("/srv/keepa/var",))),
        evidence(home=home(misowned=("/srv/keepa/var/deals.db",))),
        evidence(failed("attempt to write a readonly database")),
    ],
    "memory_short": [evidence(healthy(host=HostHealth(9 << 30, 10 << 30, 9, 50 * MB, 16 << 30)))],
    "process_suspended": [
        evidence(processes=replace(table(without=("beat",)), ours=(*table(without=("beat",)).ours,
                                                                   process("beat", 7, suspended=(7,)))))
    ],
    "redis_down": [
        evidence(healthy(redis=Reading(error="Redis does not answer (refused)"))),
        evidence(healthy(redis=Reading(error="Redis refuses the password (WRONGPASS)"))),
    ],
    "redis_replica": [evidence(healthy(redis=redis_health(role="slave")))],
    "redis_full": [
        evidence(healthy(redis=redis_health(used_memory=99, max_memory=100))),
        evidence(failed("OOM command not allowed when used memory > 'maxmemory'")),
    ],
    "redis_evicts": [evidence(healthy(redis=redis_health(policy="allkeys-lru")))],
    "redis_not_saving": [
        evidence(healthy(redis=redis_health(aof_ok=False))),
        evidence(healthy(redis=redis_health(last_save_ok=False))),
    ],
    "redis_exposed": [
        replace(
            evidence(),
            settings=settings_module.load(
                env_file=None, runtime=False, keepa_deals_home=HOME, redis_url="redis://redis.example:1"
            ),
        )
    ],
    "redis_lost_data": [evidence(healthy(tokens=TokenHealth(None, None, None, None)))],
    "database_unavailable": [evidence(healthy(database=Reading(error="connection refused")))],
    "database_damaged": [
        evidence(integrity="row 3 missing from index"),
        evidence(healthy(database=Reading(error="database disk image is malformed"))),
    ],
    "database_locked": [
        evidence(writable=Reading(error="database is locked"), lock_holders=(LockHolder(1, "backup"),)),
        evidence(writable=Reading(error="database is locked")),
        evidence(failed("sqlite:///x: database is locked: another process holds it")),
    ],
    "database_not_migrated": [evidence(healthy(database=DatabaseHealth("sqlite", "0001", "0002", 1)))],
    "supervisor_down": [evidence(processes=table(without=("supervisord",)))],
    "program_crashing": [
        evidence(supervision=Supervision({"beat": (down(0.9), down(0.7), down(0.2))}))
    ],
    "processes_doubled": [
        evidence(processes=replace(table(), ours=(*table().ours, process("beat", 999)))),
    ],
    "beat_down": [
        evidence(processes=table(without=("beat",)), pid_files=(PidFile("celerybeat", 5, alive=False),)),
        evidence(healthy(beat=ago(minutes=5))),
    ],
    "worker_down": [
        evidence(processes=table(without=("worker-upsert",))),
        evidence(processes=table(without=("worker-backfill",))),
    ],
    "worker_suspended": [
        evidence(processes=replace(table(without=("worker-upsert",)),
                                   ours=(*table(without=("worker-upsert",)).ours,
                                         process("worker-upsert", 7, suspended=(8,)))))
    ],
    "worker_deaf": [evidence(healthy(queues=(QueueHealth("upsert", 3, ago(minutes=3)),)))],
    "messages_lost": [evidence(healthy(jobs=jobs(job(last_started_at=ago(minutes=7)))))],
    "foreign_messages": [
        evidence(
            healthy(
                tokens=replace(
                    TOKENS,
                    counters=Counters({
                        "messages_dropped|upsert": 3,
                        "messages_dropped_at": round(ago(minutes=2).timestamp() * 1000),
                    }),
                )
            )
        )
    ],
    "zombie_lock": [
        evidence(healthy(locks=(LockHealth("update_recent_deals_lock", "x", "elsewhere", 1, 1500.0),))),
        evidence(healthy(locks=(LockHealth("update_recent_deals_lock", "x", "elsewhere", 1, None),))),
    ],
    "sandbox_down": [evidence(with_sandbox=True)],
    "key_refused": [
        evidence(failed("Keepa /deal: 402 the key is refused: check KEEPA_API_KEY")),
        evidence(token_status=Reading(error="Keepa /token: 402 the key is refused")),
        evidence(failed("the account's balance is not known: Keepa /token: the key is refused (its account "
                        "data are all zero): check KEEPA_API_KEY")),
        evidence(healthy(keepa=in_row("/deal", "key_refused"))),
    ],
    "selection_rejected": [
        evidence(failed("Keepa /deal: 400 request rejected")),
        evidence(selection=Reading(error="KEEPA_DEAL_SELECTION=x: Expecting value")),
    ],
    "search_refused": [
        evidence(healthy(searches=(search(), search("toys", 3, error="Keepa /deal: no such category")))),
        evidence(healthy(searches=(search(), search("toys", 3, file_problem="toys.json: not JSON")))),
    ],
    "clock_wrong": [
        evidence(healthy(redis=redis_health(clock=ago(minutes=3)))),
        evidence(healthy(tokens=replace(TOKENS, clock_offset_seconds=-300.0))),
        evidence(
            healthy(
                tokens=replace(TOKENS, clock_offset_seconds=0.0),
                keepa=Answers({"/deal": LastAnswer("200", ago(), 0.1, 5, -300.0)}, {}, {}, {}),
            )
        ),
        evidence(healthy(jobs=jobs(job(last_success_at=ago(hours=-1))))),
    ],
    "keepa_trouble": [
        evidence(failed("Keepa /deal: 502")),
        evidence(token_status=Reading(error="Keepa /token: cannot connect to https://api.keepa.com")),
        evidence(healthy(keepa=SILENT)),
        evidence(
            healthy(
                jobs=jobs(job(last_started_at=ago(seconds=12))),
                tokens=replace(TOKENS, reserved=5),
                locks=(LockHealth("update_recent_deals_lock", "x", "elsewhere", 1, 40.0),),
            )
        ),
    ],
    "foreign_spender": [
        evidence(healthy(tokens=replace(TOKENS, foreign_tokens=40, foreign_at=ago(minutes=2)))),
    ],
    "refused_429": [
        evidence(healthy(keepa=Answers({}, {}, {"/deal": LastAnswer("429", ago(minutes=1), 0.1, 0)}, {}))),
    ],
    "token_starvation": [
        evidence(healthy(tokens=replace(TOKENS, small=LaneHealth(1, 130.0)))),
        evidence(healthy(tokens=replace(TOKENS, is_deep=True))),
    ],
    "budget_too_small": [
        evidence(planned(limit="plan", kept=300, matching=9000)),
        evidence(planned(limit=None, kept=9000, matching=9000, needed=1201)),
        evidence(
            healthy(
                searches=(search(), search("toys", 3, plan={"limit": Limit.PLAN, "kept": 300, "needed": 900}))
            )
        ),
    ],
    "selection_matches_nothing": [
        evidence(healthy(deals=deals(0, 0, 0))),
        evidence(planned(limit=None, kept=0, matching=0)),
    ],
    "job_paused": [evidence(healthy(jobs=jobs(job(paused=True))))],
    "job_failing": [evidence(failed("TypeError: see the log"))],
    "janitor_at_work": [
        evidence(
            healthy(
                flow=FlowHealth({("ended", "price_recovered"): 200}, 0, 200),
                history=curve(450, 300, 250),
                deals=deals(250, 0, 200),
            )
        ),
        evidence(healthy(deals=deals(380, 0, 0), history=curve(450, 600))),
    ],
    "dashboard_down": [
        evidence(dashboard=Reading(error="connection refused")),
        evidence(dashboard=Reading(error="refused"), processes=table(without=("dashboard",))),
    ],
    "dashboard_disagrees": [evidence(dashboard={"deals": {"live": 90}})],
    "column_cache_old": [
        evidence(dashboard={"deals": {"live": 450}, "column_cache": {"age_seconds": 121.0}}),
        evidence(dashboard={"deals": {"live": 450}, "column_cache": {"age_seconds": None}}),
    ],
    "home_exposed": [evidence(home=home(mode=0o755))],
    "deals_unreadable": [
        evidence(replace(healthy(), unreadable=Unreadable(1, ("'x' of domain 1 is no deal's key",))))
    ],
    "notifications_behind": [
        evidence(processes=table(without=("notifier",))),
        evidence(healthy(alerts=alerts_health(changes=3, oldest_change_at=ago(minutes=3)))),
        evidence(healthy(alerts=alerts_health(waiting=1, oldest_due_at=ago(minutes=3)))),
    ],
    "notifications_failing": [evidence(healthy(alerts=alerts_health(failing=((4, 5),))))],
    "seller_refused": [
        evidence(healthy(seller=SellerHealth(ago(days=9), refusal="invalid_grant", refused_at=ago(hours=1))))
    ],
    "seller_unanswered": [
        evidence(healthy(seller=SellerHealth(ago(days=9), ago(minutes=31), trouble="cannot connect"))),
        evidence(healthy(seller=SellerHealth(ago(minutes=31), trouble="cannot connect"))),
    ],
    "upserter_behind": [
        evidence(healthy(jobs=jobs(job(last_success_at=ago(minutes=7), last_started_at=ago(seconds=5)))))
    ],
    "deals_stale": [evidence(healthy(deals=deals(400, 50, 0)))],
    "deals_dwindling": [evidence(healthy(deals=deals(250, 5, 200), history=curve(450, 400)))],
}  # fmt: skip


@pytest.mark.parametrize(("rule", "case"), [(rule, case) for rule, cases in CASES.items() for case in cases])
def test_a_rule_is_named_first_by_its_own_evidence(rule: str, case: Any) -> None:
    causes = verdict(case)
    assert causes[0].rule.name == rule, [cause.rule.name for cause in causes]
    assert causes[0].evidence
    assert causes[0].fix


def test_every_rule_has_its_case() -> None:
    assert list(CASES) == [rule.name for rule in RULES]


def test_a_service_in_order_has_no_cause() -> None:
    assert verdict(evidence()) == ()


def test_a_column_cache_that_is_renewed_or_being_made_is_no_cause() -> None:
    for age in (0.4, 25.0, 119.0):
        assert (
            verdict(evidence(dashboard={"deals": {"live": 450}, "column_cache": {"age_seconds": age}})) == ()
        )


def test_a_rule_follows_only_from_rules_that_there_are() -> None:
    names = {rule.name for rule in RULES}
    for rule in RULES:
        assert rule.follows <= names - {rule.name}
        assert rule.name not in explanations(rule)


def test_consequences_come_last_and_name_their_cause() -> None:
    late = jobs(job(last_success_at=ago(hours=2), last_outcome="failed", last_error="Redis does not answer"))
    causes = verdict(evidence(healthy(redis=Reading(error="Redis does not answer"), jobs=late)))
    assert [cause.rule.name for cause in causes] == ["redis_down", "upserter_behind"]
    assert causes[1].follows_from == ("redis_down",)


def test_a_closed_home_accuses_nobody() -> None:
    blind = evidence(
        healthy(redis=Reading(error="REDIS_URL is not set")),
        home=home(readable=False, user="nobody"),
        processes=table(without=("beat",), unknown=(process("beat"),)),
    )
    assert verdict(blind) == ()


def test_other_users_processes_are_not_taken_for_none() -> None:
    assert verdict(evidence(processes=table(without=PROGRAMS, unknown=(process("beat"),)))) == ()


def test_our_own_long_write_is_no_lock_of_somebody_else() -> None:
    ours = LockHolder(101, "celery worker")
    assert verdict(evidence(writable=Reading(error="database is locked"), lock_holders=(ours,))) == ()


def test_the_holder_of_the_database_is_named_with_the_command_that_ends_it() -> None:
    held = evidence(writable=Reading(error="database is locked"), lock_holders=(LockHolder(77, "sqlite3"),))
    (cause,) = verdict(held)
    assert "pid 77 (sqlite3)" in cause.evidence
    assert cause.fix.endswith("kill 77")


@pytest.mark.parametrize(
    "broken",
    [
        evidence(integrity="row 7 missing from index"),
        evidence(healthy(database=Reading(error=f"the database file {HOME}/deals.db does not exist"))),
    ],
    ids=["damaged", "missing"],
)
def test_a_lost_database_comes_back_from_its_newest_copy_or_begins_anew(broken: Evidence) -> None:
    copy = HOME / "backups" / "deals-20261124T000000Z.db"
    (cause,) = verdict(broken)
    assert "no copy of it is there, so begin anew: ./kill_everything_force.sh" in cause.fix
    (cause,) = verdict(replace(broken, home=Reading(value=home(newest_copy=copy))))
    assert cause.fix == (
        f"./kill_everything_force.sh && .venv/bin/keepa-deals ops restore {copy} && ./start_celery.sh"
    )


def test_a_key_that_others_may_read_is_named_with_its_file() -> None:
    (cause,) = verdict(evidence(home=home(exposed_secrets=(Path("/srv/keepa/.env"),))))
    assert cause.rule.name == "home_exposed"
    assert cause.fix == "chmod 600 /srv/keepa/.env"


def test_each_search_that_is_short_is_named_with_what_it_would_need() -> None:
    short = {"limit": Limit.PLAN, "kept": 300, "needed": 900}
    found = healthy(searches=(search(plan=short), search("toys", 3, plan=short), search("games", 4)))
    books, toys = verdict(evidence(found))
    assert {books.rule.name, toys.rule.name} == {"budget_too_small"}
    assert toys.evidence == (
        "the search toys keeps the newest 300 of 450 deals fresh: 15.0 tokens a minute would keep all"
    )


def test_a_paused_search_is_neither_short_nor_refused() -> None:
    short = {"limit": Limit.PLAN, "kept": 300, "needed": 900}
    paused = search("toys", 3, state=SearchState.PAUSED, error="no", plan=short)
    assert verdict(evidence(healthy(searches=(search(), paused)))) == ()


def test_an_old_foreign_spender_is_not_present() -> None:
    old = replace(TOKENS, foreign_tokens=30, foreign_at=ago(minutes=6))
    assert verdict(evidence(healthy(tokens=old))) == ()


def test_a_queue_that_a_new_worker_has_just_found_is_not_deaf() -> None:
    fresh = replace(process("worker-upsert", 7), started_at=ago(seconds=10))
    others = table(without=("worker-upsert",))
    report = healthy(queues=(QueueHealth("upsert", 30, ago(minutes=9)),))
    found = verdict(evidence(report, processes=replace(others, ours=(*others.ours, fresh))))
    assert [cause.rule.name for cause in found] == []


def test_a_program_that_has_calmed_down_is_not_crashing() -> None:
    calm = Supervision({"beat": (down(2), down(1.9), down(1.5))})
    assert verdict(evidence(supervision=calm)) == ()


def test_a_deployment_that_has_just_started_has_not_failed_yet() -> None:
    young = tuple(replace(p, started_at=ago(seconds=5)) for p in table().ours)
    starting = evidence(
        healthy(
            jobs=(), beat=None, tokens=TokenHealth(None, None, None, None), history=Reading(error="none")
        ),
        processes=replace(table(), ours=young),
        dashboard=Reading(error="connection refused"),
    )
    assert verdict(starting) == ()


def test_an_upserter_that_has_never_succeeded_is_behind_after_a_while() -> None:
    assert [cause.rule.name for cause in verdict(evidence(healthy(jobs=())))] == ["upserter_behind"]


def test_a_beat_that_has_just_started_may_not_have_ticked() -> None:
    fresh = replace(process("beat", 7), started_at=ago(seconds=5))
    others = table(without=("beat",))
    report = healthy(beat=ago(minutes=2))
    assert verdict(evidence(report, processes=replace(others, ours=(*others.ours, fresh)))) == ()


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("Keepa /deal: 502", "keepa_trouble"),
        ("Keepa /deal: 402 the key is refused", "key_refused"),
        ("Keepa /product: 404 request rejected", "selection_rejected"),
        ("update_recent_deals_lock: Redis does not answer: timed out", "redis_down"),
        ("sqlite:///x: database is locked: another process holds it", "database_locked"),
        ("sqlite:///x: database or disk is full: make room on the disk", "disk_full"),
        ("Keepa /deal: no answer (error while reading from socket)", "keepa_trouble"),
        ("Keepa /product: 402 the key is refused; database is locked", "key_refused"),
        ("DATABASE_URL=sqlite:///x: database or disk is full", "disk_full"),
        ("DATABASE_URL=postgresql://x: the connection broke", "database_unavailable"),
        ("Login with Amazon refuses the credentials (invalid_grant)", "seller_refused"),
        ("/home/x/channels.key is not the key: connect the seller again", "seller_refused"),
        ("Login with Amazon: no answer in time", "seller_unanswered"),
        ("Amazon getListingsRestrictions: cannot connect", "seller_unanswered"),
        ("TypeError: see the log", None),
    ],
)
def test_an_errors_words_speak_of_a_rule(words: str, rule: str | None) -> None:
    assert classify(words) == rule


def test_one_refusal_at_a_ticks_edge_is_no_cause_and_a_second_one_is() -> None:
    last = {"/deal": LastAnswer("429", ago(minutes=1), 0.1, 0)}
    tokens = replace(TOKENS, refused_at_tick=True)
    for count, names in ((1, []), (2, ["refused_429"])):
        answers = Answers({}, {}, last, {("/deal", "429"): count})
        assert [c.rule.name for c in verdict(evidence(healthy(keepa=answers, tokens=tokens)))] == names


@pytest.mark.parametrize("dead", [False, True])
def test_a_lock_is_a_zombies_when_its_holder_is_gone(dead: bool) -> None:
    lock = LockHealth("update_recent_deals_lock", "x", "here", 1, 40.0, dead=dead)
    found = [cause.rule.name for cause in verdict(evidence(healthy(locks=(lock,))))]
    assert found == (["zombie_lock"] if dead else [])


def test_a_lock_of_another_host_is_a_zombies_when_the_upserter_is_behind_and_runs_nowhere() -> None:
    lock = LockHealth("update_recent_deals_lock", "x", "elsewhere", 1, 40.0)
    long_ago = {"last_started_at": ago(minutes=31), "last_finished_at": ago(minutes=30)}
    idle = job(UPSERT_JOB.name, last_success_at=ago(minutes=30), **long_ago)
    named = [c.rule.name for c in verdict(evidence(healthy(jobs=jobs(idle), locks=(lock,))))]
    assert named[0] == "zombie_lock"
    busy = replace(idle, last_started_at=ago(minutes=1), last_finished_at=ago(minutes=2))
    just_failed = replace(idle, last_started_at=ago(seconds=3), last_finished_at=ago(seconds=1))
    for at_work in (busy, just_failed):  # the lock was read a moment before or after the job
        named = [c.rule.name for c in verdict(evidence(healthy(jobs=jobs(at_work), locks=(lock,))))]
        assert "zombie_lock" not in named


def test_a_lost_run_is_no_lost_message_while_somebody_holds_the_lock() -> None:
    lock = LockHealth("update_recent_deals_lock", "x", "elsewhere", 1, 40.0)
    report = healthy(jobs=jobs(job(UPSERT_JOB.name, last_started_at=ago(minutes=6.5))), locks=(lock,))
    assert timedelta(minutes=6) == report.behind_after
    assert verdict(evidence(report)) == ()


def test_deals_that_go_on_under_another_variation_do_not_count_as_ended() -> None:
    flow = FlowHealth({("ended", "merged"): 200}, 0, 200)
    merged = healthy(flow=flow, history=curve(450, 300, 250), deals=deals(250, 0, 200))
    assert "janitor_at_work" not in {cause.rule.name for cause in verdict(evidence(merged))}
