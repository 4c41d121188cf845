"""Faults for the diagnosis: what is injected into a running deployment, and what the script must name.

``python -m tests.faults.diagnosis_table`` injects them all and prints what was named.
"""

from __future__ import annotations

from tests.faults import ailments, injection
from tests.faults.diagnosed_deployment import Case

CASES = (
    # processes
    Case("beat stopped", ("beat_down",), injection.stopped("beat"), short=True),
    Case("beat kill -9", (), injection.healed(injection.killed("beat"), 3), past="beat_down", short=True),
    Case("beat kill -9, three times", ("program_crashing",), ailments.beat_keeps_dying),
    Case("beat SIGSTOP", ("process_suspended",), injection.suspended("beat")),
    Case("upsert worker stopped", ("worker_down",), injection.stopped("worker-upsert")),
    Case("upsert worker kill -9", (), injection.healed(injection.killed("worker-upsert"), 3),
         past="worker_down"),
    Case("upsert worker SIGSTOP", ("worker_suspended",), injection.suspended("worker-upsert"), short=True),
    Case("backfill worker stopped", ("worker_down",), injection.stopped("worker-backfill")),
    Case("backfill worker SIGSTOP", ("worker_suspended",), injection.suspended("worker-backfill")),
    Case("a second worker by hand", ("processes_doubled",), ailments.second_worker),
    Case("dashboard stopped", ("dashboard_down",), injection.stopped("dashboard")),
    Case("dashboard SIGSTOP", ("process_suspended",), injection.suspended("dashboard")),
    Case("dashboard deaf", ("dashboard_down",), injection.dashboard_without_files),
    Case("dashboard deaf by SIGSTOP", ("process_suspended",), injection.deaf_dashboard()),
    Case("column cache never made", ("column_cache_old",), ailments.column_cache_without_memory),
    Case("sandbox stopped", ("sandbox_down",), injection.stopped("sandbox")),
    Case("sandbox SIGSTOP (--live)", ("process_suspended",), injection.suspended("sandbox"),
         arguments=("--live",)),
    Case("supervisor kill -9", ("supervisor_down",), ailments.supervisor_killed, short=True),
    Case("all kill -9", ("not_running",), injection.everything_killed),
    Case("another Celery beside us", (), injection.healed(ailments.stranger_beside, 4)),
    # Redis
    Case("Redis stopped", ("redis_down",), injection.stopped("redis"), short=True),
    Case("Redis kill -9", (), injection.healed(injection.killed("redis"), 3), past="redis_down"),
    Case("Redis SIGSTOP", ("process_suspended",), injection.suspended("redis")),
    Case("Redis FLUSHALL", (), injection.healed(injection.flushed_redis, 8), past="redis_lost_data"),
    Case("Redis evicts", ("redis_evicts",), injection.evicting_redis),
    Case("Redis full", ("redis_full",), ailments.redis_setting("maxmemory", "1mb", "0")),
    Case("Redis wants a password", ("redis_down",), ailments.redis_wants_a_password),
    Case("Redis is a replica", ("redis_replica",), ailments.redis_is_a_replica),
    Case("zombie lock", ("zombie_lock",), ailments.zombie_lock, short=True),
    # database, disk, files
    Case("database locked", ("database_locked",), injection.locked_database, short=True),
    Case("database missing", ("database_unavailable",), ailments.missing_database),
    Case("database damaged", ("database_damaged",), ailments.damaged_database),
    Case("migration behind", ("database_not_migrated",), ailments.sql(
        "UPDATE alembic_version SET version_num = 'x' || version_num",
        "UPDATE alembic_version SET version_num = substr(version_num, 2)")),
    Case("disk full", ("disk_full",), injection.full_disk, short=True),
    Case("disk read-only", ("home_not_writable",), ailments.read_only_disk),
    Case("database of another user", ("home_not_writable",),
         ailments.file_mode("deals.db", owner=ailments.nobody())),
    Case("home open to others", ("home_exposed",), ailments.file_mode(".", mode=0o755)),
    Case("wrong setting", ("settings_wrong",), ailments.wrong_setting, short=True),
    # Keepa
    Case("Keepa 502", ("keepa_trouble",), injection.keepa_answers(http_502=1), past="keepa_trouble",
         short=True, in_effect=lambda status: "502" in str(status["keepa"]["last_bad"])),
    Case("Keepa 500, now and then", (), injection.healed(injection.keepa_answers(http_500=0.3), 8)),
    Case("Keepa garbage", ("keepa_trouble",), injection.keepa_answers(garbage=1)),
    Case("Keepa breaks off", ("keepa_trouble",), injection.keepa_answers(truncated=1)),
    Case("Keepa silent", ("keepa_trouble",), injection.keepa_answers(timeout=1)),
    Case("wrong key", ("key_refused",), injection.wrong_key, short=True),
    Case("query rejected (400)", ("selection_rejected",), ailments.selection(isRisers=True)),
    Case("query out of range", ("selection_rejected",), ailments.selection(dateRange=7)),
    Case("query no JSON", ("selection_rejected",), ailments.selection(broken=True)),
    Case("one of two queries rejected", ("search_refused",), ailments.another_search(isRisers=True)),
    Case("query matches nothing", ("selection_matches_nothing",), ailments.selection(currentRange=[1, 2])),
    Case("Keepa's clock wrong", ("clock_wrong",), ailments.wrong_clock),
    # tokens and freshness
    Case("foreign spender", ("foreign_spender",), ailments.foreign_spender, short=True),
    Case("foreign spender takes all", ("foreign_spender",), ailments.foreign_glutton),
    Case("deep deficit", ("token_starvation",), ailments.deep_deficit, short=True),
    Case("job paused", ("job_paused",), ailments.sql(
        "UPDATE job_states SET paused = 1 WHERE name LIKE '%backfill_deals'",
        "UPDATE job_states SET paused = 0")),
    Case("rows deleted by hand", ("janitor_at_work",), ailments.rows_deleted),
)  # fmt: skip
SHORT_WINDOW = (
    Case("plan too small for the selection", ("budget_too_small",), ailments.small_plan),
    Case(
        "upserter away, deals dwindle",
        ("worker_down",),
        ailments.upserter_away_for_a_window,
        past="deals_stale",
    ),
)
"""Cases for a freshness window of a minute."""
TWO_AT_ONCE = (
    Case("beat stopped, database locked", ("database_locked", "beat_down"), injection.both(
        injection.stopped("beat"), injection.locked_database), short=True),
    Case("wrong key, backfill worker SIGSTOP", ("worker_suspended", "key_refused"), injection.both(
        injection.wrong_key, injection.suspended("worker-backfill"))),
    Case("dashboard stopped, Redis evicts", ("redis_evicts", "dashboard_down"), injection.both(
        injection.stopped("dashboard"), injection.evicting_redis)),
)  # fmt: skip
