"""What the product never does, checked on its source: empty a Redis, or signal a process by its name."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FORBIDDEN = {
    "FLUSHALL, FLUSHDB": re.compile(
        r"(?<!-)flush(all|db)", re.IGNORECASE
    ),  # "-flushall" takes the right away
    "pkill, killall, skill": re.compile(r"\b(pkill|killall|skill|pgrep)\b"),
    "kill -1, kill to every process": re.compile(r"\bkill\s+(-\w+\s+)*-1\b|os\.kill\(\s*-1"),
    "rm -rf of a variable": re.compile(r"\brm\s+-\w*r\w*\s+[\"']?\$"),
}


def product() -> Iterator[Path]:
    """Everything that runs at an operator's: the package, the scripts, the diagnosis; comments included."""
    yield from (p for p in (ROOT / "keepa_deals").rglob("*") if p.suffix in (".py", ".lua", ".sh", ".mako"))
    yield from ROOT.glob("*.sh")
    yield from ROOT.glob("*.py")
    yield from (ROOT / "Diagnostics").rglob("*.py")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_product_never_does(what: str) -> None:
    sources = list(product())
    assert len(sources) > 100
    found = [str(path.relative_to(ROOT)) for path in sources if FORBIDDEN[what].search(path.read_text())]
    assert found == []


@pytest.mark.parametrize("script", ["start_celery.sh", "kill_everything_force.sh", "deploy_update.sh"])
def test_every_script_of_the_operator_is_executable_and_strict(script: str) -> None:
    text = (ROOT / script).read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert (ROOT / script).stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(ROOT / script)], check=False).returncode == 0
