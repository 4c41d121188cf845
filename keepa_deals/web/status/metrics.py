"""The state of the service in Prometheus' text format. Counters live in Redis, shared by all processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from keepa_deals.health.metric import AnyMetric, Histogram, Kind, gauge, gauges
from keepa_deals.health.parts import PARTS, READ
from keepa_deals.health.report import HealthReport
from keepa_deals.query.cache.cache import CacheState

PREFIX = "keepa_deals_"


def exposition(report: HealthReport, copy: CacheState | None = None) -> tuple[bytes, str]:
    """The text of ``/metrics`` and its content type. ``copy`` is that of the process which answers."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(report, copy))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Snapshot(Collector):
    def __init__(self, report: HealthReport, copy: CacheState | None) -> None:
        self._report = report
        self._copy = copy

    def collect(self) -> Iterable[Family]:
        return map(_family, _metrics(self._report, self._copy))


def _metrics(report: HealthReport, copy: CacheState | None) -> Iterator[AnyMetric]:
    up = [(part.name, float(report.reading(part).known)) for part in READ]
    yield from gauges("up", "Whether a part of the service could be read", "part", up)
    problems = [(problem.name, 1.0) for problem in report.problems]
    yield from gauges("problem", "1 for each problem at present", "name", problems)
    for part in PARTS:
        yield from part.metrics(report)
    if copy is not None:
        yield from _copied(copy)


def _copied(copy: CacheState) -> Iterator[AnyMetric]:
    """The dashboard's copy of the deals; without an age there is none yet."""
    yield from gauge("copy_age_seconds", "Since the dashboard's copy followed the table", copy.age_seconds)
    yield from gauge("copy_deals", "Deals in the dashboard's copy", copy.deals)
    yield from gauge(
        "copy_complete",
        "0 while the database answers for the copy, in all or about ended deals",
        float(copy.is_complete),
    )


def _family(metric: AnyMetric) -> Family:
    """A metric as Prometheus' library takes it."""
    name = PREFIX + metric.name
    if isinstance(metric, Histogram):
        histogram = HistogramMetricFamily(name, metric.text, labels=[metric.label])
        for of, buckets, total in metric.series:
            edges = [("+Inf" if edge == float("inf") else f"{edge:g}", count) for edge, count in buckets]
            histogram.add_metric([of], edges, total)
        return histogram
    kind = GaugeMetricFamily if metric.kind is Kind.GAUGE else CounterMetricFamily
    family = kind(name, metric.text, labels=list(metric.labels))
    for labels, value in metric.samples:
        family.add_metric(list(labels), value)
    return family
