"""Celery's ``worker`` and ``beat`` without the rest of its command line.

``python -m keepa_deals.worker.celery -A keepa_deals.celery_app worker -Q upsert …`` takes the options that
``celery`` takes. That one also loads its interactive shell, with colours and completion: 170 modules, 12 MB
and half a second of each program.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run what the command line says."""
    sys.modules["pygments"] = None  # type: ignore[assignment]  # colours for what Celery prints of results
    import click
    from celery.app.utils import find_app
    from celery.bin.base import CLIContext
    from celery.bin.beat import beat
    from celery.bin.worker import worker

    @click.group()
    @click.option("-A", "--app", required=True, help="The module of the Celery application.")
    @click.pass_context
    def celery(ctx: click.Context, app: str) -> None:
        """Run a worker, or the scheduler."""
        ctx.obj = CLIContext(app=find_app(app), no_color=False, workdir=None, quiet=False)

    celery.add_command(worker)
    celery.add_command(beat)
    celery(prog_name="celery")


if __name__ == "__main__":
    main()
