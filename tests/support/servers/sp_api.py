"""The sandbox of Amazon's Selling Partner API over HTTP, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask
from werkzeug.serving import make_server

from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.faults import Fault, Faults
from keepa_deals.sandbox.sp_api.app import LOGIN_PATH, create_app
from keepa_deals.sandbox.sp_api.seller import Seller
from keepa_deals.sp_api.credentials import Credentials
from tests.support.servers.sandbox import TOKEN

CREDENTIALS = Credentials(
    client_id="amzn1.application-oa2-client.0123456789abcdef",
    client_secret="amzn1.oa2-cs.v1.not-a-secret-of-anybody",
    refresh_token="Atzr|not-a-token-of-anybody-0123456789",
    seller_id="A1EXAMPLESELLER",
    domain_id=1,
)


@dataclass(frozen=True)
class SpApiServer:
    """A running sandbox: where it is, and what is behind it."""

    url: str
    seller: Seller
    faults: Faults
    app: Flask

    @property
    def login_url(self) -> str:
        return self.url + LOGIN_PATH

    def break_with(self, *faults: Fault) -> None:
        """Let every answer be damaged so; without faults none."""
        self.faults.set(dict.fromkeys(faults, 1.0 / max(1, len(faults))))


@contextmanager
def serving(*, seed: str = "test", deals: int = 200) -> Iterator[SpApiServer]:
    """A sandbox whose catalogue is that of the Keepa sandbox of the same seed."""
    seller, faults = Seller(Catalogue.for_deals(deals, seed=seed)), Faults()
    app = create_app(seller, faults, control_token=TOKEN)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield SpApiServer(f"http://127.0.0.1:{server.server_port}", seller, faults, app)
    finally:
        app.extensions["sandbox"].stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
