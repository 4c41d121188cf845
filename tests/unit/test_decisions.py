"""docs/decisions.md says of every dependency why it is there."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LISTED = [
    *PROJECT["dependencies"],
    *(name for extra in PROJECT["optional-dependencies"].values() for name in extra),
]
NAMES = sorted({re.split(r"[^\w-]", requirement)[0] for requirement in LISTED})
TYPES = {name for name in NAMES if name.startswith("types-") or name.endswith("-types")}
"""Stubs come with what they describe."""
ROWS = [
    line
    for line in (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TYPES])
def test_a_dependency_has_its_reason(name: str) -> None:
    assert any(f"`{name}`" in row.split(" | ")[0] for row in ROWS)


def test_nothing_is_explained_that_is_not_there() -> None:
    told = {name for row in ROWS for name in re.findall(r"`([\w-]+)`", row.split(" | ")[0])}
    assert told - {"uPlot"} <= set(NAMES)
