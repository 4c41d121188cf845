"""What git tells of the version in service, and a deploy that cannot even begin."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keepa_deals.db import migrate
from keepa_deals.db.errors import DatabaseUnavailableError
from keepa_deals.deployment import git_version
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.ops.deploy import run as deploy


def test_a_folder_without_git_is_no_trouble_but_a_checkout_that_git_does_not_read_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_version, "PROJECT_ROOT", tmp_path)
    git_version.refuse_unreadable()
    (tmp_path / ".git").write_text("gitdir: /nowhere")
    with pytest.raises(OpsError, match="no way back is known"):
        git_version.refuse_unreadable()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OpsError, match="git is not installed"):
        git_version.refuse_unreadable()


@pytest.mark.parametrize(("dry_run", "checked_out"), [(False, ["a" * 40]), (True, [])])
def test_a_deploy_that_cannot_read_the_database_leaves_the_version_that_runs_checked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool, checked_out: list[str]
) -> None:
    went_to: list[str] = []

    def down(database: object) -> None:
        raise DatabaseUnavailableError("nothing listens there")

    monkeypatch.setattr(migrate, "current", down)
    for name, answer in {
        "refuse_unreadable": None,
        "deployed": "a" * 40,
        "current": "b" * 40,
        "local_changes": False,
        "changed_between": False,
    }.items():
        monkeypatch.setattr(git_version, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(git_version, "go_to", went_to.append)
    home = Home(tmp_path / "home")
    home.make()
    with pytest.raises(OpsError, match="database: nothing listens there") as raised:
        deploy.deploy(home, lambda text: None, dry_run=dry_run)
    assert went_to == checked_out
    assert ("aaaaaaaaaa is checked out again" in str(raised.value)) is not dry_run
