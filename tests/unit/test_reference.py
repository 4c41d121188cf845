"""docs/reference.md and .env.example are what the code says, of everything that there is."""

from __future__ import annotations

import dataclasses

import pytest

from keepa_deals.settings import Settings
from tests.support.paths import ROOT
from tests.support.reference import EXAMPLE, PAGE, complete_report, metrics, render, render_example


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / PAGE).read_text(encoding="utf-8") == render(), "run: make reference"


def test_the_example_of_settings_is_up_to_date() -> None:
    assert (ROOT / EXAMPLE).read_text(encoding="utf-8") == render_example(), "run: make reference"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_says_what_it_means_and_what_is_allowed(name: str) -> None:
    row = next(line for line in render().splitlines() if line.startswith(f"| `{name.upper()}` |"))
    _, _, default, allowed, meaning, _ = row.split("|")
    assert allowed.strip()
    assert len(meaning.split()) > 2
    assert str(ROOT) not in default


def test_no_figure_of_the_report_behind_the_metrics_is_unknown() -> None:
    """Else a metric that is left out while its figure is unknown would be missing from the page."""
    unknown = [
        f"{part}.{field.name}"
        for part, reading in complete_report().readings.items()
        if dataclasses.is_dataclass(reading.value)
        for field in dataclasses.fields(reading.value)
        if getattr(reading.value, field.name) is None
    ]
    assert not unknown


def test_every_metric_has_a_name_of_ours_and_a_help() -> None:
    rows = metrics()
    assert len({name for name, *_ in rows}) == len(rows) > 50
    for name, kind, _, text in rows:
        assert name.startswith("`keepa_deals_"), name
        assert kind in ("gauge", "counter", "histogram"), name
        assert text, name


def test_every_command_says_what_it_does() -> None:
    commands = render().partition("## Commands")[2].partition("## Jobs")[0]
    rows = [line.split("|")[1:3] for line in commands.splitlines() if line.startswith("| ") and "`" in line]
    assert [name for name, text in rows if not text.strip()] == []
    for command in ("keepa-deals ops restore FILE", "keepa-deals keepa check", "./deploy_update.sh"):
        assert command in commands
