"""The command line as a user meets it."""

from __future__ import annotations

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
