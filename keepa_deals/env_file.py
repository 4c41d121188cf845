"""Reads ``.env`` and the runtime file. What is wrong is told by its line, never quoted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from keepa_deals import text_file
from keepa_deals.errors import SettingsError


def read(path: Path, *, expand: bool = True) -> dict[str, str]:
    """The values by name; empty where there is no file. A one-line ``SettingsError`` names what is wrong.

    ``expand`` puts the environment's value in the place of ``${NAME}``.
    """
    try:
        if not path.exists() and not path.is_symlink():
            return {}
        text = text_file.read(path)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    except OSError as error:  # a folder that is closed to us
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    for binding in _bindings(text):
        if binding.error:
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string[:blank].count("\n")
            raise SettingsError(f"{path}: line {line} is no NAME=value (is a quote left open?)")
    return _values(text, expand=expand)


def read_anyhow(path: Path) -> dict[str, str]:
    """What can be made out of a file, whatever is wrong with it: for who stops or looks at the service."""
    try:
        return _values(text_file.decode_anyhow(text_file.read_bytes(path)), expand=True)
    except (SettingsError, OSError):
        return {}


def _bindings(text: str) -> Iterator[Binding]:
    return parse_stream(io.StringIO(text, newline=None))


def _values(text: str, *, expand: bool) -> dict[str, str]:
    sound = "".join(binding.original.string for binding in _bindings(text) if not binding.error)
    values = dotenv_values(stream=io.StringIO(sound), interpolate=expand)
    return {name: value for name, value in values.items() if value is not None}
