"""Makes ``docs/reference.md`` and ``.env.example`` from the code, so that they can't drift apart.

``python -m tests.support.reference docs`` (``make reference``) writes both; a test compares them.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
import click
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic.fields import FieldInfo

from keepa_deals.call_log import Answers, LastAnswer
from keepa_deals.cli import cli
from keepa_deals.db.soundness import Unreadable
from keepa_deals.diagnosis.cli import main as diagnosis
from keepa_deals.diagnosis.rules import RULES
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.parts.seller import SellerHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.problems import find_problems
from keepa_deals.health.report import HealthReport
from keepa_deals.ingest.upsert.budget import Limit, Plan
from keepa_deals.ingest.upsert.state import SweepState
from keepa_deals.jobs import JOBS, UPSERT_JOB
from keepa_deals.query.cache.cache import CacheState
from keepa_deals.settings import PROJECT_ROOT, Settings
from keepa_deals.tokens.counters import Counters
from keepa_deals.web.status.metrics import exposition
from tests.support.health_reports import ago, alerts, healthy, job, jobs

PAGE = "reference.md"
EXAMPLE = ".env.example"
GROUPS = {
    "keepa_api_key": "Keepa",
    "redis_url": "Stores",
    "dashboard_host": "Dashboard",
    "upsert_interval_seconds": "Freshness",
    "prep_cost": "Economics",
    "retain_points_days": "History",
    "retain_deliveries_days": "Alerts",
    "upserter_ping_url": "Dead-man's switches",
    "deploy_verify_commits": "Deploy",
    "min_token_threshold": "Token policy",
}
"""The settings in groups, each by its first, in the order of the page."""
SCRIPTS = ("start_celery.sh", "kill_everything_force.sh", "deploy_update.sh")
UNSAID = ("help", "version")
"""Options of every command."""


def render() -> str:
    """The whole page."""
    parts = (
        "# Reference",
        "Made from the code by `make reference`; a test compares them.",
        "## Settings",
        "They come from the environment, else from `.env` (`.env.example` is one to begin with). What runs "
        "keeps what it was started with until it is stopped and started. `KEEPA_API_KEY_FILE`, "
        "`REDIS_URL_FILE` and `DATABASE_URL_FILE` name files that hold these secrets instead "
        "([containers.md](containers.md#settings)).",
        *_settings(),
        "## Commands",
        "`keepa-deals` is `.venv/bin/keepa-deals`, the same as `.venv/bin/python -m keepa_deals`. Each has "
        "`--help`.",
        _table(("command", "does"), [*_scripts(), *_command("keepa-deals", cli)]),
        "## Jobs",
        _table(("job", "queue", "sent every", "task"), map(_job, JOBS.values())),
        "## Metrics",
        "`/metrics` shows them. A figure that nobody knows is left out.",
        _table(("metric", "type", "labels", "means"), metrics()),
        "## Rules of the diagnosis",
        "In the order of their rank. Those with an alert are in [alerts.yml](alerts.yml), by the same name.",
        _table(("rule", "alert", "means"), map(_rule, RULES)),
    )
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


# -- settings ------------------------------------------------------------------------------------
def _grouped() -> Iterator[tuple[str, list[tuple[str, FieldInfo]]]]:
    fields = list(Settings.model_fields.items())
    begins = [n for n, (name, _) in enumerate(fields) if name in GROUPS]
    groups = {
        fields[begin][0]: fields[begin:end]
        for begin, end in zip(begins, [*begins[1:], len(fields)], strict=True)
    }
    for first, title in GROUPS.items():
        yield title, groups[first]


def _settings() -> Iterator[str]:
    for title, fields in _grouped():
        yield f"### {title}"
        yield _table(("setting", "default", "allowed", "means"), map(_setting, fields))


def render_example() -> str:
    """``.env.example``: every setting with its meaning, commented out."""
    lines = [
        "# Copy to .env and fill in. Every setting, with its default; only KEEPA_API_KEY must be set.",
        "# The environment wins over this file. Made from the code by make reference.",
    ]
    for title, fields in _grouped():
        lines += ["", f"# --- {title} {'-' * (92 - len(title))}"]
        for name, field in fields:
            for text in (f"{field.description}.", f"Allowed: {_allowed(field)}"):
                lines += textwrap.wrap(text, 108, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"#{name.upper()}={_default(field.default)}")
    return "\n".join(lines) + "\n"


def _setting(item: tuple[str, FieldInfo]) -> tuple[str, ...]:
    name, field = item
    return f"`{name.upper()}`", _code(_default(field.default)), _allowed(field), field.description or ""


def _default(value: Any) -> str:
    if isinstance(value, Path):
        return str(value.relative_to(PROJECT_ROOT) if value.is_absolute() else value)
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _allowed(field: FieldInfo) -> str:
    least = next((rule.ge for rule in field.metadata if isinstance(rule, annotated_types.Ge)), None)
    most = next((rule.le for rule in field.metadata if isinstance(rule, annotated_types.Le)), None)
    extra = field.json_schema_extra
    told = str(extra.get("allowed") or "") if isinstance(extra, dict) else ""
    if told:
        return told
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(str, get_args(field.annotation)))
    if field.annotation is bool:
        return "1 or 0"
    if most is not None:
        return f"{least:g} to {most:g}"
    return f"{least:g} or more" if least is not None else ""


# -- commands ------------------------------------------------------------------------------------
def _scripts() -> Iterator[tuple[str, ...]]:
    for name in SCRIPTS:
        first = (PROJECT_ROOT / name).read_text(encoding="utf-8").splitlines()[1].removeprefix("# ")
        text, _, usage = first.rpartition(": ")
        yield _code(usage), f"{text}."
    yield from _command("python Diagnostics/diagnose_dwindling_deals.py", diagnosis)


def _command(path: str, command: click.Command) -> Iterator[tuple[str, ...]]:
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _command(f"{path} {name}", child)
        return
    arguments = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    yield _code(" ".join((path, *arguments))), " ".join((command.help or "").split())
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in UNSAID:
            names, told = option.get_help_record(context) or ("", "")
            yield f"\u2003{_code(names)}", " ".join(told.split())


def _job(one: Any) -> tuple[str, ...]:
    every = f"{one.every.total_seconds():g} s" if one.every else "`UPSERT_INTERVAL_SECONDS`"
    return _code(one.name), _code(one.queue), every, _code(one.task)


# -- metrics -------------------------------------------------------------------------------------
def metrics() -> list[tuple[str, ...]]:
    """Name, type, labels and help of whatever ``/metrics`` can show, by name."""
    text, _ = exposition(complete_report(), CacheState(1.0, 450, is_whole=True))
    return sorted(_metric(family) for family in text_string_to_metric_families(text.decode()))


def _metric(family: Metric) -> tuple[str, ...]:
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return _code(name), family.type, ", ".join(map(_code, sorted(labels))), family.documentation


def complete_report() -> HealthReport:
    """A report of a service in which every figure is known, so that each metric is there."""
    tokens = TokenHealth(
        40, 20, 1200, ago(seconds=20), next_tick_at=ago(seconds=-40), foreign_at=ago(minutes=9),
        clock_offset_seconds=0.1, tick_seconds=60.2,
        counters=Counters({"answers|/deal|200": 4, "spent|update_recent_deals": 20}),
    )  # fmt: skip
    keepa = Answers({"/deal": LastAnswer("200", ago(seconds=9), 0.1, 5, 0.2)}, {}, {}, {})
    lock = LockHealth("update_recent_deals_lock", "h:1:2:u", "h", 1, 40.0)
    plan = Plan(
        450, 450, pages=3, needed=180, supply=1200, head_every=timedelta(minutes=1), limit=Limit.KEEPA
    )
    flow = replace(healthy().flow.value, last_hour={("ended", "out_of_stock"): 1})  # type: ignore[type-var]
    upserter = job(UPSERT_JOB.name, cursor=SweepState("selection", ago(days=1), plan=plan).to_json())
    told = alerts(oldest_change_at=ago(seconds=1), oldest_due_at=ago(seconds=1), failing=((1, 5),))
    sold = SellerHealth(ago(days=1), ago(days=1), "refused", ago(days=1), "down", ago(days=1), 1, ago(days=1))
    report = healthy(
        tokens=tokens, keepa=keepa, locks=(lock,), flow=flow, jobs=jobs(upserter), alerts=told, seller=sold
    )
    return replace(report, unreadable=Unreadable(0), problems=find_problems(healthy(beat=None)))


# -- rules ---------------------------------------------------------------------------------------
def _rule(rule: Any) -> tuple[str, ...]:
    return f"[{rule.name}](runbook.md#{rule.name})", "yes" if rule.alert else "", rule.meaning


def write(folder: Path) -> None:
    """Write the page into ``folder``, and the example of settings beside it."""
    (folder / PAGE).write_text(render(), encoding="utf-8")
    (folder.parent / EXAMPLE).write_text(render_example(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]).resolve())
