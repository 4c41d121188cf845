"""Lines for the operator: what an operation does, as it does it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import click

Say = Callable[[str], None]
"""Takes one line of text for the operator."""


def to_terminal(text: str) -> None:
    """Print one line at once, also into a pipe; a terminal that has gone away stops no operation."""
    with contextlib.suppress(OSError):
        click.echo(text)  # flushes by itself
