"""Every fault that the service must survive, as data. Targets are in seconds (docs/operations.md)."""

from __future__ import annotations

from tests.faults import operators as by_people
from tests.faults.experiment import Scenario
from tests.faults.injection import (
    absurd_account,
    another_password,
    dashboard_without_files,
    deaf_dashboard,
    everything_killed,
    flushed_redis,
    full_disk,
    keepa_answers,
    killed,
    listed_page,
    lock_holder_killed,
    locked_database,
    slow_readers,
    stopped,
    suspended,
    wait_until_heard,
    wrong_key,
    zombie_lock,
)

DEATH, REDIS_RETURN, KEEPA_RETURN = 6.0, 30.0, 45.0
"""After a process died; after Redis came back; after Keepa did (a request may hang for 30 s until then)."""
TROUBLE = 15.0
"""After the end of what no process died of."""
LOCK = 5.0
"""Beside the life of a lock whose holder nobody can look at: one run finds it taken, the next one free."""
START = 10.0
"""After a start was called: it runs the pre-flight and waits for the first deals."""
OPERATORS = 60.0
"""After scripts that got into each other's way, or had to stop something first."""
DEPLOY = 90.0
DEAF_WORKER = 60.0
"""30 s without a sign of life, and the start of another process."""
DEAF = 150.0
"""60 s without an answer to the guard, which asks every ten; 30 s in which a deaf process may end itself."""
CHILDREN = ("worker-upsert", "worker-backfill", "beat", "dashboard", "redis", "sandbox")

SCENARIOS = (
    *(Scenario(f"kill -9 {name}", killed(name), DEATH) for name in CHILDREN),
    Scenario("kill -9 all programs at once", killed(*CHILDREN), DEATH),
    Scenario("kill -9 supervisord", killed("supervisord"), DEATH),
    Scenario("kill -9 everything, then start", everything_killed, START),
    *(
        Scenario(f"dashboard deaf{how}", fault, target, while_it_lasts=True, back=wait_until_heard)
        for how, fault, target in (
            ("", dashboard_without_files, DEAF),
            (" by SIGSTOP", deaf_dashboard(), DEAF_WORKER),
            (" by SIGSTOP, its master too", deaf_dashboard(master=True), DEAF),
        )
    ),
    Scenario("slow readers, 200 of them", slow_readers, DEATH, while_it_lasts=True, back=listed_page),
    Scenario("kill -9 while the lock is held", lock_holder_killed, DEATH),
    Scenario(
        "SIGSTOP past the lock's TTL, SIGCONT",
        by_people.paused_past_its_lock,
        LOCK,
        outlives_lock=True,
        while_it_lasts=True,
    ),
    Scenario("zombie lock with 30 min left", zombie_lock, LOCK, outlives_lock=True, while_it_lasts=True),
    Scenario("Redis FLUSHALL", flushed_redis, TROUBLE),
    Scenario("Redis refuses for 60 s", stopped("redis"), REDIS_RETURN, lasts=60),
    Scenario("Redis hangs for 60 s", suspended("redis"), REDIS_RETURN, lasts=60),
    Scenario(
        "Redis wants another password for 30 s", another_password, REDIS_RETURN, lasts=30, ground="password"
    ),
    Scenario("Keepa answers 500 for 120 s", keepa_answers(http_500=1), KEEPA_RETURN, lasts=120),
    Scenario("Keepa is silent for 120 s", keepa_answers(timeout=1), KEEPA_RETURN, lasts=120),
    Scenario("Keepa answers garbage for 120 s", keepa_answers(garbage=1), KEEPA_RETURN, lasts=120),
    Scenario("Keepa refuses the key for 30 s", wrong_key, TROUBLE, lasts=30),
    Scenario("Keepa tells an absurd account for 30 s", absurd_account, TROUBLE, lasts=30),
    Scenario("database locked for 30 s", locked_database, TROUBLE, lasts=30),
    Scenario("disk full for 30 s", full_disk, REDIS_RETURN, lasts=30, ground="disk"),
    Scenario("kill on a full disk, then start", by_people.kill_on_a_full_disk, OPERATORS, ground="disk"),
    Scenario("stale celerybeat.pid", by_people.lying_pid_file("gone"), START),
    Scenario("celerybeat.pid names a stranger", by_people.lying_pid_file("ours"), START),
    Scenario("celerybeat.pid names another user's", by_people.lying_pid_file("another's"), START),
    Scenario("start during start", by_people.two_starts, OPERATORS),
    Scenario("another deployment killed beside us", by_people.another_deployment, TROUBLE),
    Scenario("a copied checkout, killed and started", by_people.copied_checkout, TROUBLE, ground="checkout"),
    Scenario("deploy during deploy", by_people.two_deploys, DEPLOY, ground="checkout"),
    Scenario("kill during deploy, then start", by_people.kill_during_deploy, OPERATORS, ground="checkout"),
    Scenario("kill -9 of a deploy", by_people.killed_deploy, OPERATORS, ground="checkout"),
    Scenario("deploy of a version that fails", by_people.failing_deploy, TROUBLE, ground="checkout"),
)
