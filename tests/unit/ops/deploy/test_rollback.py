"""A deploy that fails, step by step: what is told, what is logged, and what may not stop the way back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keepa_deals.db import migrate
from keepa_deals.deployment import git_version, supervisor
from keepa_deals.deployment.errors import HalfWayError, OpsError, UnhealthyError
from keepa_deals.deployment.home import Home
from keepa_deals.ops import start as starting
from keepa_deals.ops import wait_healthy
from keepa_deals.ops.deploy import rollback, steps
from keepa_deals.ops.deploy import run as deploy

PREVIOUS, NEW = "a" * 40, "b" * 40
KEY = "k" * 64


def fail(error: BaseException) -> Callable[..., None]:
    def failing(*_: object, **__: object) -> None:
        raise error

    return failing


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A service that runs, on whose new version the switch fails; everything else works and does nothing."""
    home = Home(tmp_path / "home")
    home.make()
    answers = {"deployed": PREVIOUS, "current": NEW, "local_changes": False, "changed_between": False}
    for name, answer in answers.items():
        monkeypatch.setattr(git_version, name, lambda *_, answer=answer: answer)
    for module, name, answer in (
        (git_version, "refuse_unreadable", None),
        (git_version, "go_to", None),
        (migrate, "current", None),
        (supervisor, "live_supervisor", object()),
        (supervisor, "states", []),
        (supervisor, "start_program", None),
        (starting, "tell_changes", None),
        (wait_healthy, "wait_until_healthy", None),
        (steps, "set_permissions", None),
    ):
        monkeypatch.setattr(module, name, lambda *_, answer=answer, **__: answer)
    monkeypatch.setattr(steps, "switch", fail(KeyError(f"key={KEY}")))
    return home


def logged(home: Home) -> str:
    return (home.log / "deploy.log").read_text()


def test_what_nobody_foresaw_is_told_in_a_line_and_logged_with_its_place_and_no_secret(service: Home) -> None:
    said: list[str] = []
    with pytest.raises(OpsError, match="aaaaaaaaaa is back in service"):
        deploy.deploy(service, said.append)
    assert any("that did not work: KeyError: " in line for line in said)
    assert "Traceback" in logged(service)
    assert KEY not in logged(service) + "".join(said)


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), OpsError("")])
def test_a_failure_without_words_gets_some(
    service: Home, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(steps, "switch", fail(error))
    said: list[str] = []
    with pytest.raises(OpsError, match="is back in service"):
        deploy.deploy(service, said.append)
    (told,) = (line for line in said if "that did not work:" in line)
    assert told.partition("that did not work: ")[2] in ("RuntimeError", "it was interrupted", "OpsError")


def test_a_diagnosis_that_fails_does_not_stop_the_way_back(
    service: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "gather", fail(AttributeError("no such attribute")))
    said: list[str] = []
    with pytest.raises(OpsError, match="is back in service"):
        deploy.deploy(service, said.append)
    assert any("the diagnosis could not look: AttributeError" in line for line in said)


def test_a_way_back_that_fails_leaves_it_to_the_guard(service: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_version, "go_to", fail(OSError(28, "no space left")))
    with pytest.raises(HalfWayError, match=r"the way back failed: .*no space left"):
        deploy.deploy(service, lambda text: None)
    assert "the way back failed" in logged(service)


def test_a_previous_version_that_is_not_healthy_yet_is_told_from_one_that_is_not_back(
    service: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_healthy, "wait_until_healthy", fail(UnhealthyError("not healthy after 90 s")))
    with pytest.raises(UnhealthyError, match="aaaaaaaaaa is back, but not healthy after 90 s"):
        deploy.deploy(service, lambda text: None)
    assert "not healthy yet" in logged(service).splitlines()[-1]
