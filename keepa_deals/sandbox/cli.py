"""``keepa-deals sandbox``: Keepa's API on a loopback port, so that everything runs without a key."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import click
from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from keepa_deals.sandbox.account import TICK_LATE_MS, Account
from keepa_deals.sandbox.behaviour import RECORDED, Behaviour
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.core import Sandbox
from keepa_deals.sandbox.faults import Fault, Faults, parse_fault
from keepa_deals.sandbox.http.app import create_app
from keepa_deals.sandbox.sp_api.app import create_app as create_sp_api_app
from keepa_deals.sandbox.sp_api.seller import Seller


class _Handler(WSGIRequestHandler):
    """HTTP/1.1, so that connections are kept; no line a request, because the URL holds the key."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # werkzeug's name
        """Nothing."""


def _faults(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[Fault, float]:
    try:
        return dict(parse_fault(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_HABITS = {
    "repriced": "Share of the deals that change their price, and so their date, within an hour.",
    "gone": "Share of the deals that end within an hour.",
    "deep": "Share of the newcomers that come with an old date.",
    "lag_minutes": "The most minutes after which the feed shows a change.",
    "siblings_every": "Every so many products has variations, of which each query shows one; 0: none.",
    "disorder": "Share of the deals that stand anywhere in a feed by age.",
    "cached": "Share of the deal answers that come from a cache.",
    "null_titles": "Share of the products without a title.",
    "refresh_seconds": "Seconds, of a minute's tick, that a product call takes to look at Amazon.",
}


def _behaviour_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each habit of :class:`Behaviour`, its recorded value as the default."""
    for name, help_text in reversed(_HABITS.items()):
        default = getattr(RECORDED, name)
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, type=type(default), default=default, show_default=True, help=help_text)(
            command
        )
    return command


def _behaviour(habits: Mapping[str, float]) -> Behaviour:
    return replace(RECORDED, **dict[str, Any](habits))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, help="Port; 0 takes a free one and prints it.")
@click.option(
    "--sp-api-port", type=int, default=None,
    help="Serve Amazon's Selling Partner API for a made-up seller there, too; 0 takes a free port.",
)  # fmt: skip
@click.option("--refill-rate", default=20, show_default=True, help="Tokens that a tick brings.")
@click.option("--tick-seconds", default=60.0, show_default=True, help="Seconds between two ticks.")
@click.option(
    "--tokens", envvar="KEEPA_SANDBOX_TOKENS", type=int, default=None,
    help="Balance at the start, a full bucket unless given; KEEPA_SANDBOX_TOKENS where a start runs it.",
)  # fmt: skip
@click.option(
    "--deals", envvar="KEEPA_SANDBOX_DEALS", default=450, show_default=True,
    help="About how many deals are live at any time; KEEPA_SANDBOX_DEALS where a start runs it.",
)  # fmt: skip
@click.option("--seed", default=None, help="The same seed grows the same catalogue; random unless given.")
@click.option(
    "--fault", "faults", multiple=True, callback=_faults, metavar="CODE=PROBABILITY",
    help=f"Damage that share of the answers: {', '.join(Fault)}.",
)  # fmt: skip
@click.option(
    "--tick-late-ms", default=TICK_LATE_MS, show_default=True,
    help=f"By how much a tick comes late in the mean, of a minute's tick (recorded: {TICK_LATE_MS}).",
)  # fmt: skip
@click.option(
    "--control-token", envvar="KEEPA_SANDBOX_TOKEN", default=None,
    help="Opens /_sandbox/ to who sends it as a bearer; better given in KEEPA_SANDBOX_TOKEN than here.",
)  # fmt: skip
@click.option(
    "--control-token-file", type=click.Path(dir_okay=False, path_type=Path), default=None,
    help="File of the control token; when missing, one is made up and written there for its owner only.",
)  # fmt: skip
@_behaviour_options
def sandbox(
    host: str,
    port: int,
    sp_api_port: int | None,
    refill_rate: int,
    tick_seconds: float,
    tokens: int | None,
    deals: int,
    seed: str | None,
    faults: dict[Fault, float],
    tick_late_ms: float,
    control_token: str | None,
    control_token_file: Path | None,
    **habits: float,
) -> None:
    """Serve a Keepa account and catalogue over HTTP. Any key of 64 characters is accepted.

    With --sp-api-port also an Amazon seller, whose credentials are whatever has their form.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    seed = seed if seed is not None else secrets.token_hex(4)
    try:
        account = Account(
            refill_rate=refill_rate,
            tick_seconds=tick_seconds,
            tokens=tokens,
            tick_late_ms=tick_late_ms,
            seed=seed,
        )
        catalogue = Catalogue.for_deals(deals, seed=seed, behaviour=_behaviour(habits))
        token = control_token or _token_in(control_token_file)
        app = create_app(account, catalogue, Faults(faults, seed=seed), control_token=token)
        _warm(app.extensions["sandbox"])
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    server = _listen(host, port, app, "--port")
    others = []
    if sp_api_port is not None:
        own = Catalogue.for_deals(deals, seed=seed, behaviour=_behaviour(habits))
        sp_api = create_sp_api_app(Seller(own), control_token=token)
        others.append(_listen(host, sp_api_port, sp_api, "--sp-api-port"))
    _end_at_signals([server, *others])
    click.echo(
        f"Keepa sandbox on http://{host}:{server.server_port} (seed {seed}, {catalogue.size} products, "
        f"{refill_rate} tokens every {tick_seconds:g} s, {account.tokens_left} now)"
    )
    for other in others:
        click.echo(f"SP-API sandbox on http://{host}:{other.server_port}")
        threading.Thread(target=other.serve_forever, daemon=True).start()
    server.serve_forever()
    server.server_close()


def _listen(host: str, port: int, app: Flask, option: str) -> BaseWSGIServer:
    try:
        server = make_server(host, port, app, threaded=True, request_handler=_Handler)
    except (OSError, SystemExit):
        raise click.ClickException(
            f"cannot listen on {host}:{port}: is it taken? Choose another {option}"
        ) from None
    server.daemon_threads = True  # type: ignore[attr-defined]  # of ThreadingMixIn; a silent client must not hold us
    return server


def _end_at_signals(servers: Sequence[BaseWSGIServer]) -> None:
    def stop(*_: object) -> None:
        for server in servers:
            app: Any = server.app
            app.extensions["sandbox"].stopping.set()
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _warm(sandbox: Sandbox) -> None:
    """Grow what the shipped selection needs before anybody waits for it."""
    selection = (resources.files("keepa_deals") / "deal_selection.json").read_text(encoding="utf-8")
    sandbox.truth({**json.loads(selection), "page": 0})


def _token_in(file: Path | None) -> str | None:
    """The token in ``file``, made up and written there when it is missing; ``ValueError`` when that fails."""
    if file is None:
        return None
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            token = secrets.token_urlsafe(24)
            new.write(token + "\n")
            return token
    except FileExistsError:
        pass
    except OSError as error:
        raise ValueError(f"the control token cannot be written to {file}: {error.strerror}") from None
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ValueError(f"the control token cannot be read from {file}: {error}") from None
    if not token:
        raise ValueError(f"{file} holds no control token: delete it, and one is made up")
    return token
