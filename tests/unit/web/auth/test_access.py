"""Who may read the dashboard: password, sessions, tokens, addresses."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from keepa_deals import cli
from keepa_deals.people import passwords
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.errors import AccessError
from keepa_deals.people.exposure import may_start
from keepa_deals.roles import Role, Scope
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.auth.csrf import unmasked
from keepa_deals.web.services import EXTENSION
from tests.support.people import People
from tests.support.world import START, World

PASSWORD = "correct horse battery"
Stock = Callable[..., None]


@pytest.fixture
def guarded(client: FlaskClient, store: People) -> FlaskClient:
    """The dashboard after a password was set beside it, without a restart."""
    store.set_password(PASSWORD)
    return client


def token_on(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def log_in(client: FlaskClient, password: str = PASSWORD, **fields: str) -> int:
    token = token_on(client.get("/login").text)
    answer = client.post("/login", data={"password": password, "csrf_token": token, **fields})
    return answer.status_code


# -- without a password ----------------------------------------------------------------------------
def test_loopback_needs_no_password(client: FlaskClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/login").location == "/"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_a_strange_name_for_loopback_is_refused(client: FlaskClient, host: str) -> None:
    answer = client.get("/api/deals", headers={"Host": host})
    assert answer.status_code == 400
    assert "deals" not in (answer.json or {})


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:8000", "[::1]:8000"])
def test_loopbacks_own_names_are_good(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_another_host_is_refused_until_a_password_is_set(tmp_path: Path, store: People) -> None:
    settings = Settings(_env_file=None, dashboard_host="0.0.0.0")  # type: ignore[call-arg]
    refusal = may_start(settings, AccessFile(tmp_path).read())
    assert refusal is not None
    assert "DASHBOARD_HOST=0.0.0.0" in refusal
    assert "keepa-deals dashboard password" in refusal
    store.set_password(PASSWORD)
    assert may_start(settings, AccessFile(tmp_path).read()) is None


def test_a_public_dashboard_whose_password_was_removed_shows_nothing(tmp_path: Path, world: World) -> None:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        dashboard_host="0.0.0.0",
        keepa_deals_home=tmp_path,
    )
    app = create_app(settings, clock=world.clock)
    for path in ("/", "/api/deals", "/metrics", "/readyz"):
        assert app.test_client().get(path).status_code == 503
    app.extensions[EXTENSION].engine.dispose()


# -- the log-in ------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/", "/health", "/deals/1/B000000000"])
def test_pages_lead_to_the_log_in_and_back(guarded: FlaskClient, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 303
    assert answer.location == "/login?next=" + path
    assert log_in(guarded, next="/?sort=price") == 303
    assert guarded.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/api/deals", "/api/status", "/api/openapi.json", "/metrics"])
def test_programs_get_401_and_what_to_send(guarded: FlaskClient, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_pages_own_script_gets_401_too(guarded: FlaskClient) -> None:
    assert guarded.get("/", headers={"Sec-Fetch-Dest": "empty"}).status_code == 401


def test_what_is_open_tells_nothing(guarded: FlaskClient, stock: Stock) -> None:
    stock(1)
    assert guarded.get("/healthz").json == {"status": "ok"}
    assert guarded.get("/readyz").json == {"ready": False}
    style_sheet = re.search(r'href="([^"]+/base\.css)"', guarded.get("/login").text)
    assert style_sheet
    with guarded.get(style_sheet[1]) as style:
        assert style.status_code == 200
    assert "Title of" not in guarded.get("/login").text


def test_a_wrong_password_is_refused_and_said(guarded: FlaskClient) -> None:
    token = token_on(guarded.get("/login").text)
    answer = guarded.post("/login", data={"password": "wrong", "csrf_token": token})
    assert answer.status_code == 401
    assert "not the name or not the password" in answer.text
    assert guarded.get("/").status_code == 303


def test_only_wrong_passwords_are_counted_and_the_sixth_waits(guarded: FlaskClient) -> None:
    for _ in range(7):
        assert log_in(guarded) == 303
        guarded.post("/logout", data={"csrf_token": token_on(guarded.get("/").text)})
    assert [log_in(guarded, "wrong") for _ in range(5)] == [401] * 5
    token = token_on(guarded.get("/login").text)
    answer = guarded.post("/login", data={"password": PASSWORD, "csrf_token": token})
    assert answer.status_code == 429  # Redis is not there: counted in the process
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("name", "status"), [("Bo", 303), (" bO ", 303), ("admin", 401), ("", 401)])
def test_people_log_in_by_their_name(guarded: FlaskClient, store: People, name: str, status: int) -> None:
    """Without a name nobody is meant, where there are several."""
    store.add("Bo", Role.READER, PASSWORD + "!")
    assert log_in(guarded, PASSWORD + "!", name=name) == status
    assert (guarded.get("/").status_code == 200) is (status == 303)


def test_a_name_that_nobody_has_costs_a_look_and_is_not_logged(
    guarded: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked_at: list[str | None] = []
    is_password = passwords.is_password

    def watched(password_hash: str | None, password: str) -> bool:
        looked_at.append(password_hash)
        return is_password(password_hash, password)

    monkeypatch.setattr(passwords, "is_password", watched)
    assert log_in(guarded, "wrong", name=PASSWORD) == 401  # somebody typed it into the other field
    assert looked_at == [None]
    assert PASSWORD not in caplog.text
    assert "nobody known" in caplog.text


@pytest.mark.parametrize(
    "next_", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\n/evil"]
)
def test_the_log_in_leads_nowhere_else(guarded: FlaskClient, next_: str) -> None:
    token = token_on(guarded.get("/login", query_string={"next": next_}).text)
    answer = guarded.post("/login", data={"password": PASSWORD, "csrf_token": token, "next": next_})
    assert answer.location == "/"


def test_a_session_ends_by_log_out_even_for_a_copy_of_its_cookie(guarded: FlaskClient) -> None:
    log_in(guarded)
    copy = guarded.get_cookie("keepa_deals_8000")
    assert copy is not None
    answer = guarded.post("/logout", data={"csrf_token": token_on(guarded.get("/").text)})
    assert answer.location == "/login"
    guarded.set_cookie("keepa_deals_8000", copy.value)
    assert guarded.get("/").status_code == 303


def test_a_session_ends_by_time(guarded: FlaskClient, world: World) -> None:
    log_in(guarded)
    world.clock.pass_time(timedelta(days=13, hours=23))
    assert guarded.get("/").status_code == 200
    world.clock.pass_time(timedelta(hours=1))
    assert guarded.get("/").status_code == 303


def test_a_session_ends_by_a_new_password(guarded: FlaskClient, store: People) -> None:
    log_in(guarded)
    store.set_password(PASSWORD + "!")
    assert guarded.get("/").status_code == 303


def test_the_cookie_is_closed_to_scripts_and_other_sites_and_to_plain_http_over_tls(
    guarded: FlaskClient,
) -> None:
    plain = guarded.get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    other = guarded.application.test_client()
    assert "Secure" in other.get("/login", base_url="https://localhost").headers["Set-Cookie"]


def test_a_cookie_signed_by_another_key_is_no_session(guarded: FlaskClient) -> None:
    log_in(guarded)
    guarded.application.secret_key = b"another"
    assert guarded.get("/").status_code == 303


@pytest.mark.parametrize(("proxies", "believed"), [(0, False), (1, True)])
def test_a_proxys_headers_are_believed_by_setting_only(
    tmp_path: Path, world: World, store: People, proxies: int, believed: bool
) -> None:
    store.set_password(PASSWORD)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_deals_home=tmp_path,
        dashboard_trusted_hosts="deals.example.org",
        dashboard_proxies=proxies,
    )
    app = create_app(settings, clock=world.clock)
    forwarded = {"X-Forwarded-Host": "deals.example.org", "X-Forwarded-Proto": "https"}
    answer = app.test_client().get("/login", headers={"Host": "127.0.0.1:8000", **forwarded})
    assert ("Secure" in answer.headers["Set-Cookie"]) is believed
    answer = app.test_client().get(
        "/login", headers={"Host": "127.0.0.1", "X-Forwarded-Host": "evil.example"}
    )
    assert (answer.status_code == 400) is believed
    assert app.test_client().get("/login", headers={"Host": "deals.example.org"}).status_code == 200
    app.extensions[EXTENSION].engine.dispose()


# -- forms -----------------------------------------------------------------------------------------
def test_a_form_without_its_token_is_refused(guarded: FlaskClient) -> None:
    for data in (
        {},
        {"csrf_token": "x"},
        {"csrf_token": "ä" * 40},
        {"csrf_token": token_on('name="csrf_token" value="QUJD"')},
    ):
        answer = guarded.post("/login", data={"password": PASSWORD, **data})
        assert answer.status_code == 400
        assert "reload" in answer.text


def test_a_token_looks_different_every_time_and_is_the_same_below(guarded: FlaskClient) -> None:
    first, second = (token_on(guarded.get("/login").text) for _ in range(2))
    assert first != second
    assert (unmasked(first) or "").split(".")[0] == (unmasked(second) or "").split(".")[0]


# -- tokens ----------------------------------------------------------------------------------------
def test_a_token_reads_and_nothing_else(guarded: FlaskClient, store: People) -> None:
    bearer = {"Authorization": f"Bearer {store.add_token('script', START)}"}
    assert guarded.get("/api/deals", headers=bearer).status_code == 200
    assert guarded.get("/metrics", headers=bearer).status_code == 200
    assert "problems" in (guarded.get("/readyz", headers=bearer).json or {})
    assert guarded.post("/logout", headers=bearer).status_code == 403


def test_a_feed_reader_sends_the_token_as_a_password(guarded: FlaskClient, store: People) -> None:
    secret = store.add_token("reader", START)
    assert guarded.get("/api/deals", auth=("anybody", secret)).status_code == 200
    assert guarded.get("/api/deals", auth=("anybody", PASSWORD)).status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer ", "Bearer", "Basic %%%", "Basic OjpA", "Digest x", "ä"]
)
def test_a_wrong_token_reads_nothing(guarded: FlaskClient, header: str) -> None:
    assert guarded.get("/api/deals", headers={"Authorization": header}).status_code == 401


def test_a_revoked_token_reads_nothing_at_once(guarded: FlaskClient, store: People) -> None:
    bearer = {"Authorization": f"Bearer {store.add_token('script', START)}"}
    assert guarded.get("/api/deals", headers=bearer).status_code == 200
    store.revoke_token("script")
    assert guarded.get("/api/deals", headers=bearer).status_code == 401


# -- the file --------------------------------------------------------------------------------------
def test_the_files_are_private_and_hold_no_secret(store: People, tmp_path: Path) -> None:
    store.set_password(PASSWORD)
    secret = store.add_token("script", START)
    assert AccessFile(tmp_path).session_key() == AccessFile(tmp_path).session_key()
    text = (tmp_path / "access.json").read_text()
    assert PASSWORD not in text
    assert secret not in text
    for name in ("access.json", "session.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_damaged_file_closes_the_dashboard(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "access.json").write_text("{")
    assert client.get("/").status_code == 503
    assert client.get("/api/deals").status_code == 503
    with pytest.raises(AccessError, match=r"access\.json: is damaged"):
        AccessFile(tmp_path).read()


def test_the_commands_set_show_and_revoke(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: People
) -> None:
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KEEPA_API_KEY", "k" * 64)
    store = People(tmp_path / "home")

    def run(*arguments: str, typed: str = "") -> str:
        return (
            CliRunner().invoke(cli.cli, ["dashboard", *arguments], input=typed, catch_exceptions=False).output
        )

    with pytest.raises(AccessError, match="12 to 1000 characters"):
        run("password", typed="short\n")
    with pytest.raises(AccessError, match="there is nobody"):
        run("token", "add", "prometheus")
    assert "in force" in run("password", typed=PASSWORD + "\n")
    (admin,) = store.read().accounts
    assert admin.person.name == "admin"
    assert passwords.is_password(admin.password_hash, PASSWORD)
    secret = run("token", "add", "prometheus").splitlines()[0]
    assert store.read().token(secret) is not None
    assert "prometheus" in run("token", "list")
    assert secret not in run("token", "list")
    with pytest.raises(AccessError, match="already"):
        run("token", "add", "prometheus")
    writing = run("token", "add", "extension", "--write").splitlines()[0]
    token = store.read().token(writing)
    assert token is not None
    assert token.scope is Scope.WRITE
    run("token", "revoke", "prometheus")
    assert store.read().token(secret) is None
    with pytest.raises(AccessError, match="no token 'prometheus'"):
        run("token", "revoke", "prometheus")
    store.add("Bo", Role.READER, PASSWORD)
    for arguments in (["password"], ["password", "--remove"]):
        with pytest.raises(AccessError, match="there are 2 people: 'keepa-deals user password NAME'"):
            run(*arguments, typed=PASSWORD + "\n")
    store.remove("Bo")
    run("password", "--remove")
    assert store.read().accounts == ()
