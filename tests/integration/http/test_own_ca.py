"""Keepa behind a CA of the operator's own: trusted where it is named; the key goes nowhere else."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepa_deals.deployment.errors import OpsError
from keepa_deals.keepa.errors import ServerTroubleError
from keepa_deals.keepa.transport import Transport
from keepa_deals.ops import preflight
from keepa_deals.settings import CA_BUNDLES
from tests.integration.redis.test_addresses import make_certificates
from tests.support.secrets import shown

KEY = "q7Zt0xW3mB9rKfLh2yVnSdPgJ5cTaE8uXo1iNwRbG6vMkDzCpYs4HqFjUeA0lIt7"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if "elsewhere" in self.path else 200)
        self.send_header("Location", f"http://127.0.0.1:1/?key={KEY}")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder)
    return folder


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CA_BUNDLES, "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def ask(address: str, path: str = "/token") -> int:
    return Transport(KEY, address).send("GET", path, {}, None, 10).status


@pytest.mark.parametrize("name", CA_BUNDLES[:3])
def test_a_ca_that_is_named_is_trusted(
    monkeypatch: pytest.MonkeyPatch, folder: Path, address: str, name: str
) -> None:
    monkeypatch.setenv(name, str(folder / "ca.pem"))
    assert ask(address) == 200
    assert preflight.certificates() == f"those of {name}={folder / 'ca.pem'}"


def test_a_ca_that_is_not_named_is_refused_with_the_way_out(address: str) -> None:
    with pytest.raises(ServerTroubleError) as refused:
        ask(address)
    said = str(refused.value)
    assert "the TLS handshake with" in said
    assert "certificate" in said.partition("failed")[2]
    assert said.endswith("REQUESTS_CA_BUNDLE")
    assert shown(said, KEY, length=4) == set()


def test_another_name_than_the_certificate_s_is_refused(
    monkeypatch: pytest.MonkeyPatch, folder: Path, address: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
    with pytest.raises(ServerTroubleError, match=r"not valid for '127\.0\.0\.1'"):
        ask(address.replace("localhost", "127.0.0.1"))


def test_the_key_follows_no_redirect_and_no_proxy(
    monkeypatch: pytest.MonkeyPatch, folder: Path, address: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert ask(address, "/elsewhere") == 302


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("nothing", "no certificate in it")])
def test_a_file_without_certificates_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(OpsError, match=f"REQUESTS_CA_BUNDLE={path} cannot be used .{said}"):
        preflight.certificates()
