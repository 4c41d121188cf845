"""What imports cannot say: who reads the environment, how large a room is, and that the floors are told.

The floors themselves are a contract in ``pyproject.toml``, which ``lint-imports`` checks in ``.ci/run``.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

PACKAGE = ROOT / "keepa_deals"
LARGEST_ROOM = 0.2
"""Of all lines: a room above it holds more than one subject."""


def modules() -> Iterator[Path]:
    return (
        path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py" or path.parent != PACKAGE
    )


def floors() -> list[set[str]]:
    """The rooms of each floor, the highest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["id"] == "floors"]
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def test_the_floors_are_those_that_the_architecture_tells() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = text.partition("## Floors")[2].partition("\n## ")[0].split("\n| ")[3:]
    told = [{name.rstrip("/") for name in re.findall(r"`(\w+/?)`", row.split(" | ")[1])} for row in rows]
    assert told == floors()


def test_no_room_is_larger_than_a_fifth_of_the_house() -> None:
    lines = Counter[str]()
    for path in modules():
        lines[path.relative_to(PACKAGE).parts[0]] += path.read_text(encoding="utf-8").count("\n")
    (largest, count), *_ = lines.most_common()
    assert count < LARGEST_ROOM * lines.total(), f"{largest} has {count} of {lines.total()} lines"


def test_only_settings_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in modules()
        if any(
            isinstance(node, ast.Attribute)
            and node.attr in {"environ", "getenv"}
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    }
    assert readers <= {"settings.py"}
