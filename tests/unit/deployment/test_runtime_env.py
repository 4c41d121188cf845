"""What was changed in the settings since the start, which what runs does not know yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepa_deals import settings as settings_module
from keepa_deals.deployment import embedded_redis, runtime_env
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


def start(home: Home, *, sandbox: bool = False, **chosen: str) -> None:
    """Leave the runtime file that a start with the environment's settings leaves."""
    chosen.setdefault("redis_url", embedded_redis.url(home))
    settings = settings_module.load(runtime=False, keepa_deals_home=home.path, **chosen)
    runtime_env.write(home, settings, sandbox=sandbox)


def test_changed_added_and_removed_settings_are_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_PORT", "8001")
    monkeypatch.setenv("MIN_TOKEN_THRESHOLD", "40")
    monkeypatch.setenv("DEAL_FRESH_MINUTES", "60")
    start(home)
    assert runtime_env.changes(home) == []
    monkeypatch.setenv("DASHBOARD_PORT", "8002")
    monkeypatch.delenv("MIN_TOKEN_THRESHOLD")
    monkeypatch.setenv("UPSERT_INTERVAL_SECONDS", "30")
    monkeypatch.delenv("DEAL_FRESH_MINUTES")  # it was the default
    assert runtime_env.changes(home) == ["DASHBOARD_PORT", "MIN_TOKEN_THRESHOLD", "UPSERT_INTERVAL_SECONDS"]


def test_what_the_start_chose_itself_is_no_change(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    start(home, sandbox=True, keepa_api_url="http://127.0.0.1:5", keepa_api_key="a" * 64)
    assert runtime_env.changes(home) == []
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    assert runtime_env.changes(home) == ["REDIS_URL"]


def test_a_redis_that_is_named_no_more_is_a_change(home: Home) -> None:
    start(home, redis_url="redis://elsewhere/0")
    assert runtime_env.changes(home) == ["REDIS_URL"]


def selection(path: Path, domain: str) -> str:
    path.write_text(json.dumps({"domainId": domain, "priceTypes": [1]}))
    return str(path)


def test_the_domain_of_the_deal_query_is_no_change_until_the_file_names_another(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KEEPA_DEAL_SELECTION", selection(tmp_path / "selection.json", "9"))
    start(home, keepa_domain_id="9")
    assert runtime_env.changes(home) == []
    selection(tmp_path / "selection.json", "1")
    assert runtime_env.changes(home) == ["KEEPA_DOMAIN_ID"]
    (tmp_path / "selection.json").unlink()  # a start would name the file itself
    assert runtime_env.changes(home) == []
