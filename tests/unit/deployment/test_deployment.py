"""A deployment is what its last start left, whatever the settings say by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepa_deals import settings as settings_module
from keepa_deals.deployment import embedded_redis, runtime_env
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.home import Home
from keepa_deals.settings import Settings

LOAD = settings_module.load


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose settings come from the environment of the test alone."""

    def load(**options: object) -> Settings:
        return LOAD(env_file=None, **options)

    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(settings_module, "load", load)
    home = Home(tmp_path / "home")
    home.make()
    return home


def start(home: Home, redis_url: str, *, sandbox: bool) -> None:
    """Leave the runtime file of a start."""
    settings = settings_module.load(runtime=False, keepa_deals_home=home.path, redis_url=redis_url)
    runtime_env.write(home, settings, sandbox=sandbox)


@pytest.mark.parametrize("sandbox", [True, False])
def test_what_was_started_keeps_its_kind_and_its_settings(
    home: Home, monkeypatch: pytest.MonkeyPatch, *, sandbox: bool
) -> None:
    monkeypatch.setenv("MIN_TOKEN_THRESHOLD", "40")
    start(home, embedded_redis.url(home), sandbox=sandbox)
    monkeypatch.setenv("MIN_TOKEN_THRESHOLD", "41")
    deployment = Deployment.as_last_started(home)
    assert deployment.with_sandbox is sandbox
    assert deployment.settings.min_token_threshold == 40
    assert deployment.own_redis


def test_a_redis_that_the_settings_name_is_not_our_own(home: Home) -> None:
    start(home, "redis://127.0.0.1:1/0", sandbox=False)
    assert not Deployment.as_last_started(home).own_redis


def test_what_was_never_started_is_what_the_settings_describe(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(home.path))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    deployment = Deployment.as_wanted(with_sandbox=True)
    assert (deployment.home, deployment.with_sandbox, deployment.own_redis) == (home, True, False)
