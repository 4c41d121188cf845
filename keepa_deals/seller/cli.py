"""``keepa-deals seller``: the Amazon seller whose leave to list products is looked up."""

from __future__ import annotations

import sys

import click
from sqlalchemy import func, select

from keepa_deals.clock import SystemClock
from keepa_deals.db.models import ListingCheck, SellerAccount
from keepa_deals.deployment.store import opened_store
from keepa_deals.errors import KeepaDealsError
from keepa_deals.humanize import iso
from keepa_deals.marketplaces import marketplace
from keepa_deals.secret_box import SecretBox, SecretBoxError
from keepa_deals.seller import account
from keepa_deals.settings import Settings
from keepa_deals.sp_api.client import SpApiClient
from keepa_deals.sp_api.conditions import NEW
from keepa_deals.sp_api.credentials import Credentials, checked
from keepa_deals.sp_api.errors import QuestionRefusedError

_ANY_ASIN = "B000000000"
"""The answer does not matter: that there is one shows that the seller may ask."""


@click.group()
def seller() -> None:
    """Your own Amazon seller account: with it, deals say whether you may sell them (docs/selling.md)."""


@seller.command()
@click.option("--client-id", prompt="LWA client id", help="Of your own application at Amazon.")
@click.option("--seller-id", prompt="Seller id (merchant token)", help="As Seller Central shows it.")
@click.option("--domain", "domain_id", type=int, help="Keepa's number of a marketplace of your region.")
def connect(client_id: str, seller_id: str, domain_id: int | None) -> None:
    """Connect your seller account. Asks for the client secret and the refresh token, or reads two lines.

    Both are tried at Amazon, and kept encrypted. An account that was connected before is replaced.
    """
    with opened_store() as (settings, database):
        given = _checked(
            client_id=client_id.strip(),
            seller_id=seller_id.strip(),
            client_secret=_secret("LWA client secret"),
            refresh_token=_secret("Refresh token"),
            domain_id=settings.keepa_domain_id if domain_id is None else domain_id,
        )
        _try_at_amazon(settings, given)
        try:
            with database.begin() as session:
                box = SecretBox(settings.keepa_deals_home)
                account.connect(session, box, given, SystemClock().now())
        except SecretBoxError as error:
            raise KeepaDealsError(str(error)) from None
    place = marketplace(given.domain_id).name
    click.echo(f"Connected: {given.shown}, for {place} and its region. First answers come within minutes.")


@seller.command()
def status() -> None:
    """Say which seller is connected, and how the last calls went. Exit code 1 when none answers."""
    with opened_store() as (_, database), database.session() as session:
        found = account.connected(session)
        if found is None:
            click.echo("No seller is connected: keepa-deals seller connect")
            sys.exit(1)
        known = select(func.count()).select_from(ListingCheck)
        answered = session.scalar(known.where(ListingCheck.may_sell.is_not(None))) or 0
        waiting = session.scalar(known.where(ListingCheck.wanted_at.is_not(None))) or 0
        click.echo(f"{found.shown}, connected {iso(found.connected_at)}")
        last = iso(found.answered_at) or "never"
        click.echo(f"last answer {last}, {answered} products known, {waiting} waiting")
        problem = problem_of(found)
    if problem:
        click.echo(problem)
        sys.exit(1)


@seller.command()
def disconnect() -> None:
    """Forget the credentials, and all that Amazon said to this seller."""
    with opened_store() as (_, database):
        try:
            with database.begin() as session:
                account.disconnect(session, SystemClock().now())
        except account.NotConnectedError:
            raise KeepaDealsError("no seller is connected") from None
    click.echo("Disconnected: nothing is asked any more. Take the leave back in Seller Central, too.")


def problem_of(found: SellerAccount) -> str:
    """What is wrong with the connection, in one line; empty when nothing is."""
    if found.refusal:
        return f"Refused since {iso(found.refused_at)}: {found.refusal}"
    return f"Not answered at {iso(found.trouble_at)}: {found.trouble}" if found.trouble else ""


def _checked(**given: object) -> Credentials:
    try:
        return checked(**given)
    except ValueError as error:
        raise KeepaDealsError(str(error)) from None


def _try_at_amazon(settings: Settings, given: Credentials) -> None:
    """Return when Amazon takes the credentials and answers; an ``SpApiError`` says why it does not."""
    client = SpApiClient(given, api_url=settings.sp_api_url, login_url=settings.sp_api_login_url)
    try:
        client.restriction(_ANY_ASIN, given.domain_id, NEW)
    except QuestionRefusedError:
        pass  # it is understood who asks
    finally:
        client.close()


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True)).strip()
    return sys.stdin.readline().strip()
