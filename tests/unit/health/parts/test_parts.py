"""The one list of parts."""

from __future__ import annotations

import importlib
import pkgutil

from keepa_deals.health import parts
from keepa_deals.health.metric import Metric
from keepa_deals.health.part import Snapshot
from tests.support.health_reports import healthy


def test_every_module_of_a_part_is_in_the_list_once_under_its_own_name() -> None:
    modules = [module.name for module in pkgutil.iter_modules(parts.__path__)]
    for name in modules:
        assert importlib.import_module(f"{parts.__name__}.{name}").PART in parts.PARTS
    assert sorted(part.name for part in parts.PARTS) == sorted(modules)


def test_no_two_parts_tell_machines_of_the_same() -> None:
    report: Snapshot = healthy()
    keys = [key for part in parts.PARTS for key in part.to_json(report)]
    told = [metric for part in parts.PARTS for metric in part.metrics(report)]
    metrics = [(metric.name, metric.kind if isinstance(metric, Metric) else None) for metric in told]
    assert len(set(keys)) == len(keys)
    assert len(set(metrics)) == len(metrics)


def test_a_part_that_nobody_read_is_an_error_and_no_value() -> None:
    reading = Snapshot(taken_at=healthy().taken_at, readings={}).reading(parts.host.PART)
    assert (reading.value, reading.error) == (None, "was not read")
