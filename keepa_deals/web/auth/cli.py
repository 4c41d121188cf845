"""``keepa-deals dashboard``: the password and the tokens of this deployment's dashboard."""

from __future__ import annotations

import sys

import click

from keepa_deals import settings as settings_module
from keepa_deals.clock import SystemClock
from keepa_deals.deployment.home import Home
from keepa_deals.web.credentials import MIN_PASSWORD, CredentialStore


@click.group()
def dashboard() -> None:
    """The password of the dashboard, and read-only tokens for programs."""


@dashboard.command()
@click.option("--remove", is_flag=True, help="Take it away: whoever reaches the dashboard reads it.")
def password(*, remove: bool) -> None:
    """Set the password: asks for it, or reads one line of standard input. Ends every session."""
    store = _store()
    if remove:
        store.remove_password()
        click.echo("The password is gone: the dashboard is open, and answers on loopback only.")
        return
    store.set_password(_typed_password())
    click.echo("The password is set and in force; whoever was logged in logs in again.")


def _typed_password() -> str:
    if sys.stdin.isatty():
        text = f"New password (at least {MIN_PASSWORD} characters)"
        return str(click.prompt(text, hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


@dashboard.group()
def token() -> None:
    """Read-only tokens for programs: scripts, Prometheus, feed readers."""


@token.command()
@click.argument("name")
def add(name: str) -> None:
    """Make a token called NAME and show it, once."""
    secret = _store().add_token(name, SystemClock().now())
    click.echo(secret)
    click.echo("This is the only time that it is shown. Use: Authorization: Bearer <token>", err=True)


@token.command(name="list")
def list_tokens() -> None:
    """The tokens that are in force."""
    for one in _store().read().tokens:
        click.echo(f"{one.name}\tsince {one.created_at:%Y-%m-%d %H:%M} UTC")


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Take the token called NAME back, at once."""
    _store().revoke_token(name)
    click.echo(f"The token {name!r} is no longer valid.")


def _store() -> CredentialStore:
    home = Home(settings_module.deployment_home())
    home.make()
    return CredentialStore(home.path)
