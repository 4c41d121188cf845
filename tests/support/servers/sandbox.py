"""The sandbox over HTTP, in this process or as the command itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import make_server

from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.behaviour import RECORDED, Behaviour
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.faults import Faults
from keepa_deals.sandbox.http.app import create_app

KEY = "k" * 64
TOKEN = "the tests' own control token"
TOKENS: dict[str, str] = {}
"""The control tokens of sandboxes that made up their own, by address."""


@contextmanager
def serving(
    account: Account | None = None,
    *,
    deals: int = 200,
    seed: str = "test",
    faults: Faults | None = None,
    behaviour: Behaviour = RECORDED,
) -> Iterator[str]:
    """The address of a sandbox in this process."""
    catalogue = Catalogue.for_deals(deals, seed=seed, behaviour=behaviour)
    app = create_app(account or Account(), catalogue, faults, control_token=TOKEN)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        app.extensions["sandbox"].stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class SandboxProcess:
    """``keepa-deals sandbox`` with these options on a free port; its control token is ours unless given."""

    def __init__(self, *options: str, token: str | None = TOKEN) -> None:
        command = [sys.executable, "-m", "keepa_deals.sandbox", "--port", "0", "--seed", "test", *options]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "KEEPA_SANDBOX_TOKEN": token or ""}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        found = re.search(r"http://\S+", self.greeting)
        assert found, self.greeting
        self.url = found[0]

    def stats(self) -> dict[str, Any]:
        return ask(f"{self.url}/_sandbox/stats")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def ask(url: str, body: Mapping[str, Any] | None = None, *, method: str | None = None) -> dict[str, Any]:
    """The JSON answer of a sandbox, errors included (their status is under ``"status"``)."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, method=method)
    token = TOKENS.get(url.partition("/_sandbox/")[0], TOKEN)
    request.add_header("Authorization", f"Bearer {token}")  # Keepa's own paths don't read it
    try:
        with urllib.request.urlopen(request) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return {**json.load(error), "status": error.code}
