"""Settings: defaults, sources, and errors that name the setting, its value and what is allowed."""

from __future__ import annotations

import re
import traceback
from datetime import timedelta
from pathlib import Path

import pytest

from keepa_deals import settings
from keepa_deals.errors import SettingsError
from tests.support.secrets import shown

KEY = "k" * 64


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path))


def load(**environment: object) -> settings.Settings:
    return settings.load(env_file=None, **environment)


def test_everything_but_the_key_has_a_default() -> None:
    loaded = load()
    assert loaded.keepa_api_url == "https://api.keepa.com"
    assert (loaded.keepa_domain_id, loaded.keepa_tick_seconds) == (1, 60)
    assert (loaded.dashboard_host, loaded.dashboard_port) == ("127.0.0.1", 8000)
    assert (loaded.upsert_interval_seconds, loaded.deal_fresh_minutes) == (60, 60)
    assert (loaded.min_token_threshold, loaded.recovery_target, loaded.priority_pass_max_cost) == (50, 55, 10)
    assert loaded.database_dsn == f"sqlite:///{loaded.keepa_deals_home}/deals.db"


def test_a_missing_key_names_both_ways_on() -> None:
    with pytest.raises(SettingsError, match=r"KEEPA_API_KEY.*\.env.*--sandbox"):
        _ = load().api_key


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("KEEPA_DOMAIN_ID", "7", "must be one of 1, 2, 3"),
        ("DASHBOARD_PORT", "70000", "less than or equal to 65535"),
        ("UPSERT_INTERVAL_SECONDS", "soon", "valid integer"),
        ("KEEPA_TICK_SECONDS", "0", "greater than or equal to 0.05"),
        ("KEEPA_API_URL", "api.keepa.com", "http://"),
        ("RECOVERY_TARGET", "20", r"at least MIN_TOKEN_THRESHOLD \(50\)"),
        ("REDIS_KEY_PREFIX", "a b", "letters, digits"),
    ],
)
def test_a_wrong_value_is_one_line_with_name_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    text = str(caught.value)
    assert "\n" not in text
    assert re.search(f"^{name}=.*{re.escape(value)}.*{allowed}", text)


OUT_OF_RANGE = {
    "DASHBOARD_PORT": ("0", "-1", "65536", "8000.5", "08:00", "port"),
    "DASHBOARD_PROXIES": ("-1", "6", "one"),
    "KEEPA_TICK_SECONDS": ("nan", "inf", "-inf", "0.04", "3601", "1e9"),
    "LOCK_TTL_SECONDS": ("2", "3601", "45s", "1_0_0_0_0"),
    "UPSERT_INTERVAL_SECONDS": ("0", "3601", "60.5", "1e3", "one minute"),
    "DEAL_FRESH_MINUTES": ("0", "1441", "∞"),
    "PREP_COST": ("-1", "0.50", "1,50", "$1", "9" * 12, "9" * 5000),
    "SHIPPING_COST": ("-5", "1e99", "free"),
    "RETAIN_POINTS_DAYS": ("0", "999999999", "forever"),
    "RETAIN_ENDED_DAYS": ("0", "36501"),
    "RETAIN_EVENTS_DAYS": ("-7", "36501"),
    "RETAIN_SAMPLES_DAYS": ("0", "36501"),
    "RETAIN_RUNS_DAYS": ("0", "36501"),
    "MIN_TOKEN_THRESHOLD": ("-1", "1000001"),
    "RECOVERY_TARGET": ("-1", "49", "1000001"),
    "PRIORITY_PASS_MAX_COST": ("0", "1000001"),
    "KEEPA_DOMAIN_ID": ("0", "7", "13", "com"),
    "SELL_PRICE": ("average", "AVERAGE_90 ", "0"),
    "DEPLOY_VERIFY_COMMITS": ("maybe", "2", "-1"),
    "REDIS_KEY_PREFIX": ("a:b", "a b", "a*", "{a}", "ключ "),
    "KEEPA_DEALS_HOME": ("~nobody-of-this-name/x",),
    "KEEPA_DEAL_SELECTION": ("~nobody-of-this-name/x.json",),
    "AMAZON_FEES": ("~nobody-of-this-name/x.json",),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in OUT_OF_RANGE.items() for v in values])
def test_what_is_out_of_range_is_one_short_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    text = str(caught.value)
    assert text.startswith(f"{name}={value[:80]!r}"[:-1])
    assert "\n" not in text
    assert len(text) < 300


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("https://deals.example.com", "without a scheme"),
        ("deals.example.com:443", "without a port"),
        ("[::1]:8000", "without a port"),
        ("deals.example.com/", "without a path"),
        ("deals.example.com/keepa", "without a path"),
        ("*.example.com", "not a pattern"),
        (".example.com", "of letters"),
        ("a.example.com b.example.com", "without blanks (several: with commas between)"),
        ("a.example.com; b.example.com", "without blanks"),
        ("a.example.com;b.example.com", "of letters"),
        ("deals_example..com", "of letters"),
        ("-deals.example.com", "of letters"),
        ("d" * 64, "of letters"),
        ("ok.example.com,https://x", "'https://x' must be a host name or an address, without a scheme"),
        ("'deals.example.com'", "of letters"),
        ("user@deals.example.com", "of letters"),
    ],
)
def test_a_trusted_host_is_a_name_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("DASHBOARD_TRUSTED_HOSTS", value)
    with pytest.raises(SettingsError, match=r"^DASHBOARD_TRUSTED_HOSTS=") as caught:
        load()
    assert said in str(caught.value)


def test_trusted_hosts_are_as_browsers_send_them() -> None:
    loaded = load(dashboard_trusted_hosts="Deals.Example.com, [::1], 10.0.0.7,bücher.example.,,x_1")
    assert loaded.trusted_hosts == (
        *("deals.example.com", "::1", "10.0.0.7", "xn--bcher-kva.example", "x_1"),
    )


@pytest.mark.parametrize(
    "value", ["http://0.0.0.0", "127.0.0.1:8000", "*", "[::1]:80", "0.0.0.0/0", "local host"]
)
def test_a_host_to_listen_on_is_a_name_or_an_address(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DASHBOARD_HOST", value)
    with pytest.raises(SettingsError, match=r"^DASHBOARD_HOST="):
        load()
    assert load(dashboard_host="[::1]").dashboard_bind == "[::1]:8000"


@pytest.mark.parametrize(
    "name", ["DASHBOARD_HOST", "KEEPA_DOMAIN_ID", "SELL_PRICE", "DASHBOARD_TRUSTED_HOSTS"]
)
@pytest.mark.parametrize(
    "secret", ["q7Zt0xW3mB9rKfLh2yVnSdPgJ5cTaE8uXo1iNwRbG6vMkDzCpYs4HqFjUeA0lIt7", "redis://:Zr8Kw2Pq@h/0"]
)
def test_a_secret_in_the_wrong_setting_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, secret: str
) -> None:
    monkeypatch.setenv(name, secret)
    with pytest.raises(SettingsError, match=f"^{name}=") as caught:
        load()
    assert shown(str(caught.value), secret.removeprefix("redis://:").partition("@")[0], length=4) == set()


@pytest.mark.parametrize("around", ['"{}"', "'{}'", ' "{}"\n'])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEEPA_API_KEY", KEY),
        ("REDIS_URL", "redis://cache/0"),
        ("DATABASE_URL", "sqlite:////data/deals.db"),
        ("DASHBOARD_PORT", "8000"),
        ("DASHBOARD_TRUSTED_HOSTS", "deals.example"),
    ],
)
def test_quotes_that_came_along_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, around: str
) -> None:
    """A container's environment file keeps the quotes that a shell would take away."""
    monkeypatch.setenv(name, around.format(value))
    with pytest.raises(
        SettingsError, match=r"quotes around it are part of the value: leave them out"
    ) as said:
        load()
    assert "\n" not in str(said.value)


def test_a_key_is_taken_without_the_blanks_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPA_API_KEY", f" {KEY}\r\n")
    assert load().api_key == KEY


@pytest.mark.parametrize("letter", [" ", "\u043a", "\u200b", "\t"])
def test_a_key_with_what_no_key_has_is_refused(monkeypatch: pytest.MonkeyPatch, letter: str) -> None:
    monkeypatch.setenv("KEEPA_API_KEY", KEY[:30] + letter + KEY[31:])
    with pytest.raises(SettingsError, match="copy it anew"):
        load()


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("KEEPA_API_KEY", "s3cret" * 3),
        ("DATABASE_URL", "mysql://u:s3cret@host/db"),
        ("REDIS_URL", "http://:s3cret@host"),
    ],
)
def test_a_wrong_secret_is_hidden_in_the_error_and_in_everything_it_chains(
    monkeypatch: pytest.MonkeyPatch, name: str, secret: str
) -> None:
    monkeypatch.setenv(name, secret)
    with pytest.raises(SettingsError, match=rf"{name}=\(hidden\)") as caught:
        load()
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_the_environment_wins_over_the_file_and_the_running_deployment_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env_file = tmp_path / "env"
    env_file.write_text("DASHBOARD_PORT=8001\nUPSERT_INTERVAL_SECONDS=7\n")
    monkeypatch.setenv("DASHBOARD_PORT", "8002")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/runtime.env").write_text("REDIS_URL=unix:///tmp/redis.sock\nDASHBOARD_PORT=8003\n")
    loaded = settings.load(env_file=env_file)
    assert (loaded.dashboard_port, loaded.upsert_interval_seconds) == (8003, 7)
    assert loaded.redis_dsn == "unix:///tmp/redis.sock"
    assert settings.load(env_file=env_file, runtime=False).dashboard_port == 8002


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPA_API_KEY", "")
    assert load().keepa_api_key is None


def test_the_key_shows_in_no_repr_and_its_id_tells_two_keys_apart() -> None:
    loaded = load(keepa_api_key=KEY)
    assert KEY not in repr(loaded)
    assert loaded.api_key == KEY
    assert loaded.account_id != load(keepa_api_key="j" * 64).account_id
    assert KEY not in loaded.account_id


@pytest.mark.parametrize(
    ("host", "public"), [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True)]
)
def test_only_loopback_is_not_public(host: str, public: bool) -> None:
    assert load(dashboard_host=host).dashboard_is_public is public


def test_the_example_file_lists_every_setting_with_its_default() -> None:
    listed = dict(
        re.findall(
            r"^#?([A-Z][A-Z_0-9]+)=(.*)$", (settings.PROJECT_ROOT / ".env.example").read_text(), re.MULTILINE
        )
    )
    assert set(listed) == {name.upper() for name in settings.Settings.model_fields}
    for name, field in settings.Settings.model_fields.items():
        shown = listed[name.upper()]
        if isinstance(field.default, Path):
            expected = settings.PROJECT_ROOT / field.default
            assert settings.PROJECT_ROOT / shown == expected, name
        elif isinstance(field.default, int | float):
            assert float(shown) == field.default, name
        else:
            assert shown == (field.default or ""), name


@pytest.mark.parametrize(
    ("host", "bind", "url"),
    [
        ("127.0.0.1", "127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("::1", "[::1]:8000", "http://[::1]:8000/"),
        ("0.0.0.0", "0.0.0.0:8000", "http://127.0.0.1:8000/"),
        ("::", "[::]:8000", "http://[::1]:8000/"),
    ],
)
def test_the_dashboard_has_an_address_to_listen_on_and_one_to_ask(host: str, bind: str, url: str) -> None:
    found = settings.load(env_file=None, runtime=False, dashboard_host=host, dashboard_port=8000)
    assert (found.dashboard_bind, found.dashboard_url) == (bind, url)


@pytest.mark.parametrize(
    ("interval", "tick", "seconds"), [(60, 60.0, 360), (1, 0.05, 15), (300, 60.0, 1080), (10, 1.0, 33)]
)
def test_how_late_the_upserter_may_be_follows_from_its_interval_and_the_ticks(
    interval: int, tick: float, seconds: int
) -> None:
    chosen = settings.load(
        env_file=None, runtime=False, upsert_interval_seconds=interval, keepa_tick_seconds=tick
    )
    assert chosen.behind_after() == timedelta(seconds=seconds)
