"""``keepa-deals``: the command line. Each command is imported only when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from keepa_deals.errors import KeepaDealsError

COMMANDS = {
    "dashboard": "keepa_deals.web.access.commands:dashboard",
    "keepa": "keepa_deals.keepa_check.commands:keepa",
    "ops": "keepa_deals.ops.commands:ops",
    "sandbox": "keepa_deals.sandbox.command:sandbox",
    "status": "keepa_deals.diagnosis.commands:status",
}


class LazyGroup(click.Group):
    """A group that knows its commands by address, so that ``--help`` of one imports no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        address = COMMANDS.get(cmd_name)
        if address is None:
            return None
        module, _, name = address.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.command(cls=LazyGroup)
@click.version_option(package_name="keepa-deals")
def cli() -> None:
    """Keeps a table of live Keepa deals truthful and fresh, and shows it."""


def main() -> None:
    """The entry point: an error of ours is one line and exit code 1, never a traceback."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except KeepaDealsError as error:
        click.echo(f"keepa-deals: {error}", err=True)
        sys.exit(1)
