"""From evidence to causes. Each rule has a stable name, which the runbook and the alerts use, too.

The order of :data:`RULES` is the rank: what makes other things fail stands before what it causes. A rule
that follows from another one that holds comes after all causes of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from keepa_deals.diagnosis import find_deals, find_keepa, find_machine, find_stores
from keepa_deals.diagnosis.causes import KILL, RESTART, RESTORE, START, Cause, Find, Finding, Rule
from keepa_deals.diagnosis.evidence.gather import Evidence

__all__ = ["RULES", "Cause", "Rule", "verdict"]


def _rule(name: str, find: Find, meaning: str, seen_by: str, fix: str, follows: str = "") -> Rule:
    return Rule(name, meaning, seen_by, fix, find, frozenset(follows.split()))


_STOPS_ALL = (
    "not_running disk_full home_not_writable redis_down redis_full database_unavailable database_locked "
)
_STOPS_ALL += "database_damaged database_not_migrated process_suspended program_crashing"
_STOPS_UPSERTER = (
    f"{_STOPS_ALL} beat_down worker_down worker_suspended worker_deaf messages_lost zombie_lock "
)
_STOPS_UPSERTER += "sandbox_down key_refused selection_rejected keepa_trouble clock_wrong token_starvation "
_STOPS_UPSERTER += "job_paused job_failing redis_replica redis_not_saving redis_lost_data refused_429"

RULES: tuple[Rule, ...] = (
    _rule(
        "not_running",
        find_machine.not_running,
        "Nothing is refreshed, so live deals go stale one by one.",
        "no process of this deployment, by the home in its environment",
        START,
    ),
    _rule(
        "settings_wrong",
        find_machine.settings_wrong,
        "The next start or restart fails.",
        "the settings in the environment or .env do not pass their checks",
        "correct the named setting in .env (.env.example lists them all)",
    ),
    _rule(
        "disk_full",
        find_machine.disk_full,
        "Neither the database nor Redis can write.",
        "less than 100 MB (or a tenth of a small disk) or no inode is free where the home is",
        "make room where the home is; the service goes on by itself",
    ),
    _rule(
        "home_not_writable",
        find_machine.home_not_writable,
        "The service cannot write its own files.",
        "a read-only file system or mode, or files that belong to another user than the home",
        f"give the home back to its user (chown -R, chmod -R u+rwX), then {START}",
    ),
    _rule(
        "memory_short",
        find_machine.memory_short,
        "The kernel may kill any of the processes.",
        "less than 200 MB (or 2 %) of the memory is available",
        "end what needs the memory (ps aux --sort -rss | head), or add some",
        "",
    ),
    _rule(
        "process_suspended",
        find_machine.process_suspended,
        "A stopped process holds its place and does nothing.",
        "the state T of a process other than the workers",
        f"kill -CONT <pid>, or {RESTART}",
    ),
    _rule(
        "redis_down",
        find_stores.redis_down,
        "No tokens are granted, no task is delivered.",
        "Redis does not answer, refuses the password, or still loads",
        START,
        "not_running process_suspended disk_full home_not_writable",
    ),
    _rule(
        "redis_replica",
        find_stores.redis_replica,
        "Every write is refused: no lock, no grant, no message.",
        "INFO says role: slave",
        f"name the master in REDIS_URL, then {RESTART}",
    ),
    _rule(
        "redis_full",
        find_stores.redis_full,
        "Writes are refused: no lock, no grant, no message.",
        "used memory is at 95 % of maxmemory or above, or a job was refused for it",
        "give it more (CONFIG SET maxmemory), or a Redis of our own: unset REDIS_URL",
    ),
    _rule(
        "redis_evicts",
        find_stores.redis_evicts,
        "Locks and the balance may vanish at any time.",
        "maxmemory-policy is not noeviction",
        "redis-cli CONFIG SET maxmemory-policy noeviction (and in redis.conf)",
    ),
    _rule(
        "redis_not_saving",
        find_stores.redis_not_saving,
        "A restart of Redis would lose the balance and the queue.",
        "its last append or snapshot failed",
        "look into log/redis.log; check disk and permissions",
        "disk_full home_not_writable",
    ),
    _rule(
        "redis_exposed",
        find_stores.redis_exposed,
        "Who reaches Redis can spend the tokens, send tasks and take locks.",
        "REDIS_URL names another host over TCP, without a password",
        f"set requirepass (or an ACL user) in redis.conf, put it into REDIS_URL, then {RESTART}",
    ),
    _rule(
        "redis_lost_data",
        find_stores.redis_lost_data,
        "Balance, counters and messages are gone; they are learned anew within a minute or two.",
        "runs are recorded from before the moment at which the counters in Redis began",
        f"nothing, if it heals within two minutes; else {RESTART}; find who empties it",
    ),
    _rule(
        "database_unavailable",
        find_stores.database_unavailable,
        "Nothing can be read or written.",
        "the database does not answer, or its file is missing",
        "check DATABASE_URL and the database's own log; a missing file comes back like a damaged one",
        "disk_full home_not_writable",
    ),
    _rule(
        "database_damaged",
        find_stores.database_damaged,
        "Reads and writes fail at some rows or all.",
        "quick_check finds a fault, or the file is no database",
        f"{KILL} && {RESTORE} backups/<the newest copy> && {START}; without a copy, move deals.db* away and "
        "begin anew",
    ),
    _rule(
        "database_locked",
        find_stores.database_locked,
        "Another program holds the database; our writes wait and fail.",
        "no write lock within a second (who holds it is named where the kernel tells)",
        "find the holder with: fuser -v var/deals.db (your home's), and let it finish or end it",
    ),
    _rule(
        "database_not_migrated",
        find_stores.database_not_migrated,
        "The code and the tables do not fit.",
        "the revision in the database is not the one that this version of the code expects",
        "./deploy_update.sh",
        "database_unavailable",
    ),
    _rule(
        "supervisor_down",
        find_machine.supervisor_down,
        "The service runs on, but nobody restarts what dies.",
        "programs of ours without their supervisord",
        RESTART,
    ),
    _rule(
        "program_crashing",
        find_machine.program_crashing,
        "It starts and dies, again and again.",
        "three unexpected ends within ten minutes in supervisord.log",
        "read the end of its log below",
        "disk_full home_not_writable redis_down memory_short",
    ),
    _rule(
        "processes_doubled",
        find_machine.doubled,
        "Runs are scheduled or worked on twice.",
        "two processes of a kind that must be single",
        RESTART,
    ),
    _rule(
        "beat_down",
        find_machine.beat_down,
        "No run is scheduled, so live deals go stale.",
        "no beat process of ours, or no tick for 30 s",
        START,
        "not_running program_crashing process_suspended redis_full redis_replica",
    ),
    _rule(
        "worker_down",
        find_machine.worker_down,
        "Its queue is not worked on.",
        "no worker process of ours for one of the queues",
        RESTART,
        "not_running program_crashing",
    ),
    _rule(
        "worker_suspended",
        find_machine.worker_suspended,
        "A stopped process holds its task and hears nothing.",
        "the state T of a worker or one of its children",
        f"kill -CONT <pid>, or {RESTART}",
    ),
    _rule(
        "worker_deaf",
        find_stores.worker_deaf,
        "The worker runs but takes no messages.",
        "a message has waited for more than two minutes while the worker of its queue runs",
        RESTART,
        "worker_suspended process_suspended database_locked disk_full",
    ),
    _rule(
        "messages_lost",
        find_stores.messages_lost,
        "What beat sends arrives nowhere.",
        "beat ticks, the queue is empty, and the job has not started for too long",
        RESTART,
        "worker_suspended process_suspended zombie_lock redis_full redis_replica database_unavailable "
        "database_locked database_damaged disk_full home_not_writable selection_rejected clock_wrong",
    ),
    _rule(
        "foreign_messages",
        find_stores.foreign_messages,
        "Somebody else writes into our queues; the workers drop what is none of ours.",
        "a message that is no task of ours was dropped within the last ten minutes (log/celery_worker*.log)",
        "find who writes into this Redis; give it a password, or a prefix of its own (REDIS_KEY_PREFIX)",
    ),
    _rule(
        "zombie_lock",
        find_stores.zombie_lock,
        "Runs are skipped until the lock is gone.",
        "the holder's process is dead, the lock lasts longer than any of ours, or the upserter is behind "
        "and no run is under way",
        RESTART,
    ),
    _rule(
        "sandbox_down",
        find_machine.sandbox_down,
        "The Keepa of this deployment does not run.",
        "started with --sandbox, and no sandbox process of ours",
        RESTART,
        "not_running program_crashing",
    ),
    _rule(
        "key_refused",
        find_keepa.key_refused,
        "Keepa answers nothing to this key.",
        "402 from Keepa, or a 400 whose account data are all zero",
        f"correct KEEPA_API_KEY in .env (or pay the subscription), then {RESTART}",
    ),
    _rule(
        "selection_rejected",
        find_keepa.selection_rejected,
        "The deal query cannot be used.",
        "its file cannot be used, or Keepa rejects it (400)",
        f"correct the file in KEEPA_DEAL_SELECTION, then {RESTART}",
    ),
    _rule(
        "clock_wrong",
        find_keepa.clock_wrong,
        "Ticks and ages are counted wrongly.",
        "our clock is 30 s or more off Keepa's or Redis's, or runs lie in the future",
        "set the clock (timedatectl set-ntp true)",
        "process_suspended",
    ),
    _rule(
        "keepa_trouble",
        find_keepa.keepa_trouble,
        "Keepa fails or cannot be reached; deals go stale until it is back.",
        "a job's last run failed for it after all its attempts, or attempts fail in a row",
        "wait: the next run tries again; if the network is ours, mend it (the workers use no proxy: "
        "curl --noproxy '*' -sS https://api.keepa.com)",
        "sandbox_down process_suspended",
    ),
    _rule(
        "foreign_spender",
        find_keepa.foreign_spender,
        "Another program spends the same key's tokens.",
        "between two answers more tokens went than we spent, within the last five intervals",
        "find it, or give it a key of its own",
    ),
    _rule(
        "refused_429",
        find_keepa.refused_429,
        "The balance in our books was too high.",
        "Keepa answered 429 within the last five intervals, other than once because a tick came late",
        "nothing, if it was once: the answer corrected the books; else look for a foreign spender (--live)",
        "foreign_spender clock_wrong redis_lost_data token_starvation",
    ),
    _rule(
        "token_starvation",
        find_keepa.token_starvation,
        "The upserter does not get its tokens in time.",
        "a small request waits two ticks longer than its tokens take; or the next page of deals is ten ticks "
        "away; or a negative balance, and no success",
        "wait for the balance (Keepa is asked again every five ticks); or a larger plan, or a longer "
        "UPSERT_INTERVAL_SECONDS",
        "foreign_spender budget_too_small",
    ),
    _rule(
        "budget_too_small",
        find_keepa.budget_too_small,
        "The plan cannot keep so many deals fresh.",
        "the upserter's plan needs more tokens in a freshness window than come",
        "narrow the selection, raise DEAL_FRESH_MINUTES or UPSERT_INTERVAL_SECONDS, or take a larger plan",
    ),
    _rule(
        "selection_matches_nothing",
        find_keepa.selection_matches_nothing,
        "The query finds no deals.",
        "the upserter succeeds, and Keepa tells it of no matching deal",
        f"widen the file in KEEPA_DEAL_SELECTION, then {RESTART}",
    ),
    _rule(
        "job_paused",
        find_deals.job_paused,
        "Somebody has paused it.",
        "the job's row says so",
        "resume it on the dashboard's health page",
    ),
    _rule(
        "job_failing",
        find_deals.job_failing,
        "A job fails for a reason that no rule knows.",
        "its last run failed",
        "read the end of its log below; report it with --bundle FILE",
        f"{_STOPS_ALL} memory_short redis_replica redis_not_saving redis_lost_data",
    ),
    _rule(
        "janitor_at_work",
        find_deals.janitor_at_work,
        "Deals leave because they are ended, by Keepa's word, or deleted, by somebody's hand.",
        "more than a fifth of the live deals ended within the hour, or rows vanished",
        "look at the reasons: /?status=ended on the dashboard; widen the selection if it is too narrow",
        "selection_matches_nothing",
    ),
    _rule(
        "dashboard_down",
        find_machine.dashboard_down,
        "Nobody can see the deals.",
        "no process, or no answer within two seconds",
        "look into log/dashboard.log",
        "not_running process_suspended program_crashing disk_full database_unavailable database_damaged "
        "database_locked",
    ),
    _rule(
        "dashboard_disagrees",
        find_machine.dashboard_disagrees,
        "What people see is not what the table has.",
        "the dashboard's count of live deals differs by more than a twentieth",
        f"another deployment's dashboard may listen there: check DASHBOARD_PORT; else {RESTART}",
        # the dashboard's own look is up to three seconds old: a sudden change reaches it a little later
        "database_unavailable database_locked process_suspended janitor_at_work deals_dwindling",
    ),
    _rule(
        "home_exposed",
        find_machine.home_exposed,
        "Others on this machine can read the key.",
        "the home's mode or that of .env lets others in",
        "chmod 700 var (your home); chmod 600 .env",
    ),
    _rule(
        "deals_unreadable",
        find_deals.deals_unreadable,
        "Some rows of the table hold what they can't hold. They are in no list; all others are.",
        "a look at every row's values; log/dashboard.log names those that the dashboard leaves out",
        "mend or delete the named rows of deals; if this service wrote them, report it with --bundle FILE",
    ),
    _rule(
        "upserter_behind",
        find_deals.upserter_behind,
        "Deals are not being refreshed.",
        "its last success is older than three intervals and three ticks",
        "look into log/celery_worker.log",
        _STOPS_UPSERTER,
    ),
    _rule(
        "deals_stale",
        find_deals.deals_stale,
        "Deals that may still hold are no longer shown as live.",
        "more than 2 % of the open deals were not verified in time",
        "wait for the next sweep; see the causes above",
        f"{_STOPS_UPSERTER} upserter_behind budget_too_small",
    ),
    _rule(
        "deals_dwindling",
        find_deals.deals_dwindling,
        "The number of live deals falls.",
        "a fifth of the live deals of the last hour's best minute is gone",
        "see the causes above",
        f"{_STOPS_UPSERTER} upserter_behind budget_too_small deals_stale janitor_at_work "
        "selection_matches_nothing",
    ),
)

_SEEN_FROM_OUTSIDE = frozenset({"disk_full", "memory_short"})
"""What can be judged although the home is closed to us, and with it the settings in force."""


def verdict(evidence: Evidence) -> tuple[Cause, ...]:
    """The causes that the evidence shows, the first one first, then what follows from them."""
    rules = [rule for rule in RULES if not evidence.blind or rule.name in _SEEN_FROM_OUTSIDE]
    found = [(rule, finding) for rule in rules for finding in rule.find(evidence)]
    names = [rule.name for rule, _ in found]
    causes = [_cause(rule, finding, names) for rule, finding in found]
    return tuple(sorted(causes, key=lambda cause: bool(cause.follows_from)))


def _cause(rule: Rule, finding: Finding, found: Iterable[str]) -> Cause:
    follows = tuple(dict.fromkeys(name for name in found if name in rule.follows))
    return Cause(rule, finding.text, finding.fix or rule.fix, follows)
