"""``keepa-deals seller`` against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keepa_deals.db.models import SellerAccount
from keepa_deals.db.session import Database
from keepa_deals.errors import KeepaDealsError
from keepa_deals.seller.cli import seller
from tests.support.servers.sp_api import CREDENTIALS, SpApiServer, serving

CONNECT = ["connect", "--client-id", CREDENTIALS.client_id, "--seller-id", CREDENTIALS.seller_id]
SECRETS = f"{CREDENTIALS.client_secret}\n{CREDENTIALS.refresh_token}\n"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpApiServer]:
    with serving() as server:
        monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("SP_API_URL", server.url)
        monkeypatch.setenv("SP_API_LOGIN_URL", server.login_url)
        yield server


def call(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(seller, list(arguments), input=typed)


def stored(tmp_path: Path) -> SellerAccount | None:
    database = Database(f"sqlite:///{tmp_path / 'home' / 'deals.db'}")
    with database.session() as session:
        return session.get(SellerAccount, 1)


def test_connect_tries_them_keeps_them_and_says_no_secret(server: SpApiServer, tmp_path: Path) -> None:
    done = call(*CONNECT, typed=SECRETS)
    assert (done.exit_code, done.exception) == (0, None)
    assert "seller A1EXAMPLESELLER" in done.output
    assert CREDENTIALS.client_secret not in done.output
    assert CREDENTIALS.refresh_token not in done.output
    assert stored(tmp_path) is not None
    state = call("status")
    assert state.exit_code == 0
    assert "A1EXAMPLESELLER" in state.output


@pytest.mark.parametrize("state", ["refused", "revoked"])
def test_what_amazon_refuses_is_not_kept(server: SpApiServer, tmp_path: Path, state: str) -> None:
    server.seller.credentials = state
    done = call(*CONNECT, typed=SECRETS)
    assert isinstance(done.exception, KeepaDealsError)
    assert "refuses the credentials" in str(done.exception)
    assert stored(tmp_path) is None


def test_a_wrong_form_is_named_before_anybody_is_asked(server: SpApiServer, tmp_path: Path) -> None:
    done = call(*CONNECT, typed="short\n\n")
    assert isinstance(done.exception, KeepaDealsError)
    assert "client secret" in str(done.exception)
    assert server.seller.statistics()["log_ins"] == 0


def test_without_a_seller_status_names_the_way_on_and_disconnect_says_so(server: SpApiServer) -> None:
    assert call("status").exit_code == 1
    assert "seller connect" in call("status").output
    assert "no seller" in str(call("disconnect").exception)


def test_disconnect_forgets(server: SpApiServer, tmp_path: Path) -> None:
    call(*CONNECT, typed=SECRETS)
    assert call("disconnect").exit_code == 0
    assert stored(tmp_path) is None
