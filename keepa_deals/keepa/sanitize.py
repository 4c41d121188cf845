"""The texts in Keepa's answers, as a database can hold them. Pure."""

from __future__ import annotations

import html
import re

_IMAGE = re.compile(r"[A-Za-z0-9%+_.,=~-]{1,128}", re.ASCII)
"""As long as the column is wide; what would lead to another path is no name of a picture."""
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: JSON may hold them, no database does, and one row would stop all of its page."""


def plain_text(markup: str | None) -> str:
    """A title as plain text: tags dropped, entities resolved, white space folded. Still a stranger's text."""
    if not markup:
        return ""
    text = html.unescape(_TAG.sub(" ", markup))
    return " ".join(_UNSTORABLE.sub("\ufffd", text).split())


def image_name(codes: object) -> str | None:
    """The file name of a deal's picture, which Keepa sends as ASCII codes; ``None`` for what is none."""
    if isinstance(codes, list):
        try:
            codes = bytes(codes).decode("ascii")
        except (TypeError, ValueError):
            return None
    return codes if isinstance(codes, str) and _IMAGE.fullmatch(codes) else None
