"""The texts in Keepa's answers, as a database can hold them. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

MAX_IMAGE_NAME = 128
"""What the column holds."""
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: JSON may hold them, no database does, and one row would stop all of its page."""


def plain_text(markup: str | None) -> str:
    """A title as plain text: tags dropped, entities resolved, white space folded. Still a stranger's text."""
    if not markup:
        return ""
    text = html.unescape(_TAG.sub(" ", markup))
    return " ".join(_UNSTORABLE.sub("\ufffd", text).split())


def image_name(codes: Sequence[int] | str | None) -> str | None:
    """The file name of a deal's picture, which Keepa sends as ASCII codes; ``None`` for what is none."""
    if not codes:
        return None
    try:
        name = codes if isinstance(codes, str) else bytes(codes).decode("ascii")
    except (TypeError, ValueError):
        return None
    return name if len(name) <= MAX_IMAGE_NAME and name.isascii() and name.isprintable() else None
