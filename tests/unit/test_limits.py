"""The figures of docs/limits.md are those of the code."""

from __future__ import annotations

import importlib
import re

import pytest

from keepa_deals.settings import Settings
from tests.support.paths import ROOT

FIGURES = {
    "Keepa's own bound of a query": "keepa.token_costs:MAX_DEALS_PER_QUERY",
    "the first fill": "ingest.feed.families:MAX_STRANGERS",
    "variations of one product": "ingest.feed.families:MAX_VARIATIONS",
    "a feed in another order than newest first": "ingest.upsert.state:WHOLE_SWEEPS_KEPT",
    "asking Keepa about our assumptions": "keepa_check.purse:MAX_TOKENS",
    "history before the first look": "ingest.keepa_history:MAX_STEPS",
    "deals of a page": "query.view:MAX_LIMIT",
    "alerts": "alerts.outbox:MAX_DEALS",
    "saved views": "web.deals.saved_views:MAX_VIEWS",
    "exports at once": "web.deals.export:MAX_AT_ONCE",
    "connections": "web.server.worker:MAX_CONNECTIONS",
}
WORDS = {4: "four"}


def _row(what: str) -> str:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    return next(line for line in page.splitlines() if line.startswith(f"| {what} |"))


@pytest.mark.parametrize("what", FIGURES)
def test_a_bound_is_told_as_the_code_has_it(what: str) -> None:
    module, _, name = FIGURES[what].partition(":")
    bound = getattr(importlib.import_module(f"keepa_deals.{module}"), name)
    told = re.findall(r"\d[\d,]*\d|\d|\w+", _row(what))
    assert {f"{bound:,}", WORDS.get(bound)} & set(told)


def test_the_days_for_which_history_is_kept_are_the_settings() -> None:
    fields = Settings.model_fields
    days = [fields[f"retain_{kind}_days"].default for kind in ("points", "ended", "samples", "runs")]
    assert fields["retain_events_days"].default == fields["retain_ended_days"].default  # told in one breath
    assert [int(figure) for figure in re.findall(r"\b\d+\b", _row("history"))] == days
