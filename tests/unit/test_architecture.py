"""Imports point downwards only (docs/architecture.md): checked on the source, lazy imports included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "keepa_deals"

BASE = {"settings", "clock", "errors", "logs", "redaction"}
KEEPA = {"keepa"}
REDIS = {"answer_log", "client_memory", "kept_answers", "redis_store", "locks", "token_manager", "tokens"}
DATABASE = {"db"}
MIDDLE = {"ingest", "health"}
TOP = {
    "broker",
    "messages",
    "celery_app",
    "simple_task",
    "backfiller",
    "scheduler",
    "web",
    "cli",
    "__main__",
    "ops",
    "diagnosis",
    "keepa_check",
}
LOWER = BASE | KEEPA | REDIS | DATABASE

ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(BASE, BASE),
    **dict.fromkeys(KEEPA, BASE | KEEPA),
    **{part: BASE | REDIS | {"keepa.costs", "keepa.memory", "keepa.types", "keepa.time"} for part in REDIS},
    **dict.fromkeys(DATABASE, BASE | DATABASE),
    **dict.fromkeys(MIDDLE, LOWER | MIDDLE),
    **dict.fromkeys(TOP, LOWER | MIDDLE | TOP),
    "sandbox": BASE | {"sandbox", "keepa.types", "keepa.time", "keepa.costs"},
}
LAZY_BY_ADDRESS = {"cli": "sandbox"}
"""The CLI names the sandbox's command as text and imports it when it is called."""


def modules() -> Iterator[Path]:
    return (
        path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py" or path.parent != PACKAGE
    )


def imports_of(path: Path) -> Iterator[str]:
    """The project's modules that a file imports, without the package's name: ``keepa.types``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            submodule = PACKAGE.parent / Path(*module.split("."))
            names = [
                f"{module}.{alias.name}"
                if (submodule / alias.name).is_dir() or (submodule / f"{alias.name}.py").is_file()
                else module
                for alias in node.names
            ]
        else:
            continue
        yield from (name.removeprefix("keepa_deals.") for name in names if name.startswith("keepa_deals."))


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_its_own_layer_and_those_below(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert part in ALLOWED, f"{part} has no layer yet: add it here and to docs/architecture.md"
    for imported in imports_of(path):
        top = imported.split(".")[0]
        two = ".".join(imported.split(".")[:2])
        assert top in ALLOWED[part] or two in ALLOWED[part], f"{part} imports {imported}"


def test_the_layers_are_those_that_the_architecture_tells() -> None:
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    layers = text.partition("## Layers")[2].partition("\n## ")[0]
    told = {name.rstrip("/") for name in re.findall(r"`([a-z_]+/?)`", layers)}
    assert told >= ALLOWED.keys(), "docs/architecture.md names no layer of these"
    parts = {
        path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()
    }
    assert ALLOWED.keys() <= parts, "there is no such module (any more)"


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
