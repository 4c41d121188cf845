"""What the supervisor's programs are given by whoever started it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from keepa_deals.deployment.home import Home
from keepa_deals.deployment.supervisor import environment
from keepa_deals.sandbox.cli import sandbox

SIZES = ("KEEPA_SANDBOX_DEALS", "KEEPA_SANDBOX_TOKENS")


def test_the_sandbox_of_a_start_is_as_large_as_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SIZES:
        monkeypatch.setenv(name, "70")
    given = environment(Home(tmp_path))
    read = {option.envvar for option in sandbox.params if option.envvar in given}
    assert {name: given[name] for name in SIZES} == dict.fromkeys(SIZES, "70")
    assert read == set(SIZES)


def test_no_setting_is_among_what_a_program_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPA_API_KEY", "k" * 64)
    assert "k" * 64 not in shlex.join(environment(Home(tmp_path)).values())
