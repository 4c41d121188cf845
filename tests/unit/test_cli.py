"""The command line as a user meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from keepa_deals import cli
from keepa_deals.errors import SettingsError


def test_help_lists_every_command_with_a_line_of_help() -> None:
    result = CliRunner().invoke(cli.cli, ["--help"])
    assert result.exit_code == 0
    for name in cli.COMMANDS:
        assert name in result.output


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_is_there_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli.cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_an_error_of_ours_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise SettingsError("KEEPA_DOMAIN_ID='7': must be one of 1, 2")

    monkeypatch.setattr(cli.cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "keepa-deals: KEEPA_DOMAIN_ID='7': must be one of 1, 2\n"


def test_the_deployment_of_another_user_is_not_taken_for_a_stopped_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, who runs the tests in CI, may do anything
    result = CliRunner().invoke(cli.cli, ["ops", "kill"])
    assert result.exit_code == 1
    assert f"{tmp_path} is another user's" in result.output


def test_a_stop_needs_no_package_of_the_dashboard_or_the_database() -> None:
    """After a ``git pull`` one may be missing, and the deployment must still be stopped."""
    program = "import sys, keepa_deals.ops.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    needed = set(done.stdout.split())
    assert "psutil" in needed
    assert not needed & {"argon2", "flask", "numpy", "alembic", "celery", "sqlalchemy", "supervisor"}
