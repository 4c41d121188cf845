"""``keepa-deals user``: who may use the dashboard, and as what."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from keepa_deals.clock import SystemClock
from keepa_deals.deployment.store import opened_store
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.passwords import MIN_PASSWORD
from keepa_deals.people.registry import Registry
from keepa_deals.people.takeover import take_over
from keepa_deals.roles import Role

ROLES = click.Choice([role.value for role in Role])


@click.group()
def user() -> None:
    """The people of the dashboard. Without any it is open, and answers on loopback only."""


@user.command()
@click.argument("name")
@click.option("--role", type=ROLES, default=Role.READER.value, show_default=True)
def add(name: str, role: str) -> None:
    """Add a person; asks for the password, or reads one line of standard input. The first is an admin."""
    with registry() as people:
        first = not people.read().accounts
        chosen = Role.ADMIN if first and _role_was_left_out() else Role(role)
        person = people.add(name, chosen, typed_password(), SystemClock().now())
    click.echo(f"{person.name} may log in as {person.role}.")


@user.command(name="list")
def list_people() -> None:
    """The people, their roles and how many tokens each has."""
    with registry() as people:
        register = people.read()
    for one in register.accounts:
        tokens = sum(token.person_id == one.person.id for token in register.tokens)
        since = f"since {one.created_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{one.person.name}\t{one.person.role}\t{tokens} tokens\t{since}")


@user.command()
@click.argument("name")
def password(name: str) -> None:
    """Give a person another password: asks for it, or reads one line. Ends their sessions."""
    with registry() as people:
        people.set_password(name, typed_password())
    click.echo(f"The password of {name} is set and in force; whoever was logged in by it logs in again.")


@user.command(name="role")
@click.argument("name")
@click.argument("role", type=ROLES)
def set_role(name: str, role: str) -> None:
    """Give a person another role, in force at once."""
    with registry() as people:
        people.set_role(name, Role(role))
    click.echo(f"{name} is {role} now.")


@user.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a person with their marks, own views, alerts and tokens. Without the last one it is open."""
    with registry() as people:
        people.remove(name)
        left = people.read().accounts
    click.echo(
        f"{name} is removed." + ("" if left else " Nobody is left: the dashboard is open on loopback.")
    )


@contextmanager
def registry() -> Iterator[Registry]:
    """The people of this deployment, whose tables are made where it was never started."""
    with opened_store() as (settings, database):
        file = AccessFile(settings.keepa_deals_home)
        take_over(database, file, SystemClock().now())
        yield Registry(database, file)


def typed_password() -> str:
    if sys.stdin.isatty():
        text = f"New password (at least {MIN_PASSWORD} characters)"
        return str(click.prompt(text, hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _role_was_left_out() -> bool:
    source = click.get_current_context().get_parameter_source("role")
    return source is click.core.ParameterSource.DEFAULT
