"""The state of the service in Prometheus' text format. Counters live in Redis, shared by all processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from keepa_deals.health.report import HealthReport

_EDGES = ("1000", "5000", "15000", "60000", "120000", "300000", "900000")
_LANES = ("small", "bulk")


def exposition(report: HealthReport) -> tuple[bytes, str]:
    """The text of ``/metrics`` and its content type."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(report))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Snapshot(Collector):
    def __init__(self, report: HealthReport) -> None:
        self._report = report

    def collect(self) -> Iterable[Metric]:
        yield from _parts(self._report)
        yield from _deals(self._report)
        yield from _tokens(self._report)
        yield from _jobs(self._report)
        yield from _queues(self._report)


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


def _tokens(report: HealthReport) -> Iterator[Metric]:
    tokens = report.tokens.value
    if tokens is None:
        return
    yield from _gauge("tokens_available", "Tokens that may be spent now", tokens.available)
    yield from _gauge("tokens_reserved", "Tokens of calls in flight", tokens.reserved)
    yield from _gauge("tokens_refill_rate", "Tokens that a minute brings", tokens.refill_rate)
    yield from _gauge("tokens_capacity", "The most that the bucket holds", tokens.capacity)
    yield from _gauge("tokens_foreign", "Tokens that another program spends", tokens.foreign_tokens)
    waiting = GaugeMetricFamily("keepa_deals_token_waiters", "Requests that wait for tokens", labels=["lane"])
    for lane in _LANES:
        waiting.add_metric([lane], getattr(tokens, lane).waiting)
    yield waiting
    yield from _counters(tokens.counters)


def _counters(counters: Mapping[str, int]) -> Iterator[Metric]:
    for name, text in (
        ("rejected_429", "Requests that Keepa refused for lack of tokens"),
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


def _jobs(report: HealthReport) -> Iterator[Metric]:
    success = GaugeMetricFamily(
        "keepa_deals_job_last_success_timestamp_seconds", "When a job last succeeded", labels=["job"]
    )
    rows = CounterMetricFamily("keepa_deals_job_rows", "Rows that a job wrote", labels=["job"])
    for job in report.jobs.value or ():
        rows.add_metric([job.name], job.rows)
        if job.last_success_at is not None:
            success.add_metric([job.name], job.last_success_at.timestamp())
    yield success
    yield rows


def _queues(report: HealthReport) -> Iterator[Metric]:
    depth = GaugeMetricFamily("keepa_deals_queue_messages", "Messages that wait", labels=["queue"])
    for queue in report.queues.value or ():
        depth.add_metric([queue.name], queue.depth)
    yield depth
