"""The state of the service in Prometheus' text format. Counters live in Redis, shared by all processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from keepa_deals.health.report import HealthReport
from keepa_deals.query.cache.cache import CopyState
from keepa_deals.redis_store import MESSAGES_DROPPED

_EDGES = ("1000", "5000", "15000", "60000", "120000", "300000", "900000")
_LANES = ("small", "bulk")


def exposition(report: HealthReport, copy: CopyState | None = None) -> tuple[bytes, str]:
    """The text of ``/metrics`` and its content type. ``copy`` is that of the process which answers."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(report, copy))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Snapshot(Collector):
    def __init__(self, report: HealthReport, copy: CopyState | None) -> None:
        self._report = report
        self._copy = copy

    def collect(self) -> Iterable[Metric]:
        yield from _parts(self._report)
        yield from _deals(self._report)
        yield from _tokens(self._report)
        yield from _plan(self._report)
        yield from _jobs(self._report)
        yield from _queues(self._report)
        yield from _dropped(self._report)
        yield from _stores(self._report)
        if self._copy is not None:
            yield from _copied(self._copy)


def _gauge(name: str, text: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield GaugeMetricFamily(f"keepa_deals_{name}", text, value=value)


def _parts(report: HealthReport) -> Iterator[Metric]:
    up = GaugeMetricFamily("keepa_deals_up", "Whether a part of the service could be read", labels=["part"])
    for name, reading in report.readings().items():
        up.add_metric([name], float(reading.known))
    yield up
    problems = GaugeMetricFamily("keepa_deals_problem", "1 for each problem at present", labels=["name"])
    for problem in report.problems:
        problems.add_metric([problem.name], 1.0)
    yield problems
    if report.beat.value is not None:
        age = (report.taken_at - report.beat.value).total_seconds()
        yield from _gauge("beat_last_tick_age_seconds", "Seconds since beat's last tick", age)


def _deals(report: HealthReport) -> Iterator[Metric]:
    deals = report.deals.value
    if deals is None:
        return
    family = GaugeMetricFamily("keepa_deals_deals", "Deals by status", labels=["status"])
    for status in ("live", "stale", "ended"):
        family.add_metric([status], getattr(deals, status))
    yield family
    yield from _changes(report)
    if report.unreadable is not None:
        text = "Deals that are left out because their rows can't be read"
        yield from _gauge("unreadable_deals", text, report.unreadable.count)


def _changes(report: HealthReport) -> Iterator[Metric]:
    if report.flow.value is None:
        return
    family = GaugeMetricFamily(
        "keepa_deals_changes_last_hour",
        "Changes of deals' states within the last hour, by why they ended",
        labels=["kind", "reason"],
    )
    for (kind, reason), deals in sorted(report.flow.value.last_hour.items(), key=str):
        family.add_metric([kind, reason or ""], deals)
    yield family


def _tokens(report: HealthReport) -> Iterator[Metric]:
    tokens = report.tokens.value
    if tokens is None:
        return
    yield from _gauge("tokens_available", "Tokens that may be spent now", tokens.available)
    yield from _gauge("tokens_reserved", "Tokens of calls in flight", tokens.reserved)
    yield from _gauge("tokens_refill_rate", "Tokens that a minute brings", tokens.refill_rate)
    yield from _gauge("tokens_capacity", "The most that the bucket holds", tokens.capacity)
    yield from _gauge("tokens_foreign", "Tokens that another program spends", tokens.foreign_tokens)
    yield from _gauge(
        "tokens_clock_offset_seconds", "Keepa's clock less Redis's", tokens.clock_offset_seconds
    )
    yield from _gauge("tokens_tick_seconds", "Learned distance of Keepa's ticks", tokens.tick_seconds)
    felt = tokens.foreign_at.timestamp() if tokens.foreign_at else None
    yield from _gauge(
        "tokens_foreign_timestamp_seconds", "When another program's spending was last felt", felt
    )
    waiting = GaugeMetricFamily("keepa_deals_token_waiters", "Requests that wait for tokens", labels=["lane"])
    longest = GaugeMetricFamily(
        "keepa_deals_token_longest_wait_seconds", "How long the first has waited", labels=["lane"]
    )
    for lane in _LANES:
        waiting.add_metric([lane], getattr(tokens, lane).waiting)
        longest.add_metric([lane], getattr(tokens, lane).longest_wait_seconds or 0)
    yield from (waiting, longest)
    yield from _counters(tokens.counters)


def _counters(counters: Mapping[str, int]) -> Iterator[Metric]:
    for name, text in (
        ("rejected_429", "Requests that Keepa refused for lack of tokens"),
        ("rejected_at_tick", "Those of them that only came because a tick was late, one at a time"),
        ("unbelievable", "Answers whose account data could not be true"),
        ("wasted", "Tokens lost because the bucket was full"),
        ("expired", "Reserved tokens whose call was never answered"),
        ("foreign", "Tokens spent by another program with the same key"),
    ):
        yield CounterMetricFamily(f"keepa_deals_tokens_{name}", text, value=counters.get(name, 0))
    for name, text in (("grants", "Permissions given"), ("refusals", "Requests refused"), ("waits", "Waits")):
        family = CounterMetricFamily(f"keepa_deals_token_{name}", text, labels=["lane"])
        for lane in _LANES:
            family.add_metric([lane], counters.get(f"{name}|{lane}", 0))
        yield family
    spent = CounterMetricFamily("keepa_deals_tokens_spent", "Tokens that Keepa charged", labels=["task"])
    for name in sorted(counters):
        if name.startswith("spent|"):
            spent.add_metric([name.removeprefix("spent|")], counters.get(name, 0))
    yield spent
    yield _answers(counters)
    yield _waits(counters)


def _answers(counters: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        "keepa_deals_keepa_answers", "Answers of Keepa, and requests without one", labels=["call", "result"]
    )
    for name in sorted(counters):
        if name.startswith("answers|"):
            family.add_metric(name.split("|")[1:], counters[name])
    return family


def _waits(counters: Mapping[str, int]) -> Metric:
    family = HistogramMetricFamily(
        "keepa_deals_token_wait_seconds", "How long a granted request had waited", labels=["lane"]
    )
    for lane in _LANES:
        waited = {edge: counters.get(f"waited_le|{lane}|{edge}", 0) for edge in (*_EDGES, "inf")}
        total = counters.get(f"grants|{lane}", 0) - sum(waited.values())  # those that went at once
        buckets = [("0", float(total))]
        for edge, count in waited.items():
            total += count
            buckets.append(("+Inf" if edge == "inf" else f"{int(edge) / 1000:g}", float(total)))
        family.add_metric([lane], buckets, counters.get(f"waited_ms|{lane}", 0) / 1000)
    return family


def _plan(report: HealthReport) -> Iterator[Metric]:
    plan = report.plan()
    yield from _gauge("plan_matching", "Deals that match the selection", plan["matching"])
    yield from _gauge("plan_kept", "Deals that the budget and Keepa let us keep fresh", plan["kept"])
    yield from _gauge("plan_tokens_needed", "Tokens a freshness window to keep all", plan["needed"])
    yield from _gauge("plan_tokens_supply", "Tokens that come in a freshness window", plan["supply"])


def _jobs(report: HealthReport) -> Iterator[Metric]:
    success = GaugeMetricFamily(
        "keepa_deals_job_last_success_timestamp_seconds", "When a job last succeeded", labels=["job"]
    )
    rows = CounterMetricFamily("keepa_deals_job_rows", "Rows that a job wrote", labels=["job"])
    failed = GaugeMetricFamily("keepa_deals_job_failed", "1 while a job's last run failed", labels=["job"])
    paused = GaugeMetricFamily("keepa_deals_job_paused", "1 while a job is paused", labels=["job"])
    for job in report.jobs.value or ():
        rows.add_metric([job.name], job.rows)
        failed.add_metric([job.name], float(job.last_outcome in ("failed", "lost_lock")))
        paused.add_metric([job.name], float(job.paused))
        if job.last_success_at is not None:
            success.add_metric([job.name], job.last_success_at.timestamp())
    yield from (success, rows, failed, paused)


def _dropped(report: HealthReport) -> Iterator[Metric]:
    counters = report.tokens.value.counters if report.tokens.value else {}
    family = CounterMetricFamily(
        "keepa_deals_messages_dropped", "Messages in a queue that were none of ours", labels=["queue"]
    )
    for queue in report.queues.value or ():
        family.add_metric([queue.name], counters.get(f"{MESSAGES_DROPPED}|{queue.name}", 0))
    yield family


def _queues(report: HealthReport) -> Iterator[Metric]:
    depth = GaugeMetricFamily("keepa_deals_queue_messages", "Messages that wait", labels=["queue"])
    oldest = GaugeMetricFamily(
        "keepa_deals_queue_oldest_age_seconds", "How long the oldest message has waited", labels=["queue"]
    )
    for queue in report.queues.value or ():
        sent = queue.oldest_sent_at
        depth.add_metric([queue.name], queue.depth)
        oldest.add_metric([queue.name], (report.taken_at - sent).total_seconds() if sent else 0)
    yield from (depth, oldest)


def _stores(report: HealthReport) -> Iterator[Metric]:
    """Locks, Redis, the database, Keepa's clock and the disk."""
    ttl = GaugeMetricFamily(
        "keepa_deals_lock_ttl_seconds", "How long a lock that is held still lasts", labels=["lock"]
    )
    for lock in report.locks.value or ():
        if lock.owner is not None:
            ttl.add_metric([lock.name], lock.ttl_seconds if lock.ttl_seconds is not None else float("inf"))
    yield ttl
    if redis := report.redis.value:
        safe = redis.policy in ("noeviction", "unknown")
        yield from _gauge("redis_evicts", "1 where Redis may throw keys away", float(not safe))
        saved = redis.aof_ok and redis.last_save_ok
        yield from _gauge("redis_save_failed", "1 while Redis cannot write its data", float(not saved))
        yield from _gauge("redis_replica", "1 where Redis takes no writes", float(redis.role != "master"))
        yield from _gauge("redis_memory_bytes", "Memory that Redis uses", redis.used_memory)
        yield from _gauge("redis_memory_limit_bytes", "Redis's maxmemory, 0 for none", redis.max_memory)
        yield from _gauge("redis_uptime_seconds", "Since Redis started", redis.uptime_seconds)
    if database := report.database.value:
        yield from _gauge("database_migrated", "1 where tables and code fit", float(database.migrated))
        yield from _gauge("database_bytes", "Size of the database", database.size_bytes)
    ahead = report.keepa.value.clock_ahead if report.keepa.value else None
    yield from _gauge("keepa_clock_ahead_seconds", "Keepa's clock less ours, at its last answer", ahead)
    if host := report.host.value:
        yield from _gauge("disk_free_bytes", "Free where the home is", host.disk_free)
        yield from _gauge("disk_bytes", "Size of the disk that the home is on", host.disk_total)
        yield from _gauge("memory_available_bytes", "Memory that is left", host.memory_available)


def _copied(copy: CopyState) -> Iterator[Metric]:
    """The dashboard's copy of the deals; without an age there is none yet."""
    yield from _gauge("copy_age_seconds", "Since the dashboard's copy followed the table", copy.age_seconds)
    yield from _gauge("copy_deals", "Deals in the dashboard's copy", copy.deals)
    yield from _gauge(
        "copy_complete",
        "0 while the database answers for the copy, in all or about ended deals",
        float(copy.is_complete),
    )
