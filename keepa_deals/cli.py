"""``keepa-deals``: the command line. Each command is imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from keepa_deals import redaction
from keepa_deals.errors import KeepaDealsError, SettingsError

COMMANDS = {
    "dashboard": "keepa_deals.web.auth.cli:dashboard",
    "keepa": "keepa_deals.keepa_check.cli:keepa",
    "ops": "keepa_deals.ops.cli:ops",
    "run": "keepa_deals.ops.program_cli:run",
    "sandbox": "keepa_deals.sandbox.cli:sandbox",
    "search": "keepa_deals.ops.search_cli:search",
    "seller": "keepa_deals.seller.cli:seller",
    "status": "keepa_deals.diagnosis.status_cli:status",
    "user": "keepa_deals.people.cli:user",
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


def refuse_another_checkout(command: Path) -> None:
    """A ``SettingsError`` when ``command`` lies in the ``.venv`` of another checkout than the code that it
    runs: a copied ``.venv`` names the folder that it was made in."""
    folder, project = command.absolute().parent, Path(__file__).resolve().parent.parent
    root = folder.parent.parent.resolve()
    if folder.parts[-2:] == (".venv", "bin") and root != project and (root / "keepa_deals").is_dir():
        raise SettingsError(
            f"{command} is a copy and would run the code of {project}: {root / 'start_celery.sh'} mends it, "
            f"or call it as {folder / 'python'} -m keepa_deals in {root}"
        )


def main() -> None:
    """The entry point: an error of ours is one line and exit code 1, never a traceback."""
    try:
        redaction.guard_streams()
        refuse_another_checkout(Path(sys.argv[0]))
        cli.main(prog_name="keepa-deals", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except KeepaDealsError as error:
        click.echo(f"keepa-deals: {error}", err=True)
        sys.exit(1)
