"""Reads a text that somebody wrote by hand: what is no text is told by its kind and line, never quoted."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

from keepa_deals.errors import SettingsError

MAX_BYTES = 1 << 20
"""What is larger is another file."""
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path: Path) -> str:
    """The text of a file in UTF-8, with or without its mark; a one-line ``SettingsError`` otherwise."""
    return decode(read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """What a file holds; a ``SettingsError`` for what is none, cannot be read or is too large.

    A pipe is never opened: it would wait for a writer.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SettingsError("a folder: must be one file")
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError("no regular file: must be one")
        if status.st_size > MAX_BYTES:
            raise SettingsError(f"a file of {status.st_size} bytes: must have at most {MAX_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror})") from None
    except ValueError:  # a NUL in its name
        raise SettingsError("no name of a file") from None


def decode(data: bytes) -> str:
    """Text in UTF-8; a ``SettingsError`` that says where it is none."""
    if data.startswith((*_UTF32, *_UTF16)) or b"\0" in data[:4]:
        raise SettingsError("UTF-16 or UTF-32 text: save it as UTF-8")
    if b"\0" in data:
        raise SettingsError(f"a NUL byte in {_line_of(data, data.index(0))}: it is no text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte 0x{data[error.start]:02x} in {_line_of(data, error.start)}"
        raise SettingsError(f"not UTF-8 text ({where}): save it as UTF-8") from None


def decode_anyhow(data: bytes) -> str:
    """The text in whatever encoding it seems to be: for who must act although it is not as it should be.

    Bytes that are no UTF-8 stay what they are in the names of files (``surrogateescape``).
    """
    if data.startswith(_UTF32):
        return data.decode("utf-32", "replace")
    if data.startswith(_UTF16):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:4]:
        order = "utf-16-be" if data.startswith(b"\0") else "utf-16-le"
        return data.decode(order, "replace")
    return data.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").decode("utf-8", "surrogateescape")


def _line_of(data: bytes, at: int) -> str:
    lines = data[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
    return f"line {lines + 1}"
