"""``keepa-deals dashboard``: the password where there is one person, and the tokens of programs."""

from __future__ import annotations

import click

from keepa_deals.clock import SystemClock
from keepa_deals.people.cli import registry, typed_password
from keepa_deals.people.errors import AccessError
from keepa_deals.people.person import Register
from keepa_deals.people.registry import FIRST_ADMIN
from keepa_deals.roles import Role, Scope


@click.group()
def dashboard() -> None:
    """The password of a dashboard with one person, and tokens for programs."""


@dashboard.command()
@click.option("--remove", is_flag=True, help="Take it away: whoever reaches the dashboard reads it.")
def password(*, remove: bool) -> None:
    """Set the password: asks for it, or reads one line of standard input. Ends every session.

    It is that of the only person; where there is nobody yet, of a new one called admin.
    """
    with registry() as people:
        known = people.read()
        name = _only_person(known)
        if remove:
            if name is not None:
                people.remove(name)
            click.echo("The password is gone: the dashboard is open, and answers on loopback only.")
            return
        if name is None:
            people.add(FIRST_ADMIN, Role.ADMIN, typed_password(), SystemClock().now())
        else:
            people.set_password(name, typed_password())
    click.echo("The password is set and in force; whoever was logged in logs in again.")


def _only_person(known: Register) -> str | None:
    """The name of the only person, if there is anybody; an ``AccessError`` for several."""
    if len(known.accounts) > 1:
        raise AccessError(
            f"there are {len(known.accounts)} people: 'keepa-deals user password NAME' changes one's "
            "password, 'keepa-deals user remove NAME' takes one away"
        )
    return known.accounts[0].person.name if known.accounts else None


@dashboard.group()
def token() -> None:
    """Tokens for programs: scripts, Prometheus, feed readers. Each acts for a person."""


@token.command()
@click.argument("name")
@click.option("--person", help="Whose it is; by default the first admin's.")
@click.option("--write", is_flag=True, help="It may also set that person's marks by the API.")
def add(name: str, person: str | None, *, write: bool) -> None:
    """Make a token called NAME and show it, once."""
    with registry() as people:
        admin = people.read().first_admin
        owner = person or (admin.person.name if admin else None)
        if owner is None:
            raise AccessError("a token acts for a person, and there is nobody: 'keepa-deals user add NAME'")
        secret = people.add_token(owner, name, Scope.WRITE if write else Scope.READ, SystemClock().now())
    click.echo(secret)
    click.echo("This is the only time that it is shown. Use: Authorization: Bearer <token>", err=True)


@token.command(name="list")
def list_tokens() -> None:
    """The tokens that are in force, whose they are and what they may do."""
    with registry() as people:
        known = people.read()
    for one in known.tokens:
        owner = known.numbered(one.person_id)
        whose = owner.person.name if owner else ""
        click.echo(f"{one.name}\tsince {one.created_at:%Y-%m-%d %H:%M} UTC\t{whose}\t{one.scope}")


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Take the token called NAME back, at once."""
    with registry() as people:
        people.revoke_token(name)
    click.echo(f"The token {name!r} is no longer valid.")
