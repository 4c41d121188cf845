"""Links of one's own to a deal elsewhere: ``SellerAmp=https://…{asin}… | Shop=https://…``.

What stands in braces is put in, written for an address: amounts in units of the currency, nothing where a
value is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

PLACEHOLDERS = ("asin", "domain_id", "tld", "title", "price", "sell", "profit")
MAX_LINKS = 8
MAX_NAME = 30
MAX_URL = 2000
_BRACED = re.compile(r"\{([^{}]*)\}")


class LinkTemplate(NamedTuple):
    """A link by its name, and its address with placeholders."""

    name: str
    url: str

    def address(self, values: Mapping[str, str]) -> str:
        """The address for a deal."""
        return _BRACED.sub(lambda found: quote(values.get(found[1], ""), safe=""), self.url)


def parse(text: str) -> tuple[LinkTemplate, ...]:
    """The templates of a setting; ``ValueError`` says which one is none, and why."""
    parts = [part.strip() for part in text.split(" | ") if part.strip()]
    if len(parts) > MAX_LINKS:
        raise ValueError(f"has {len(parts)} links; at most {MAX_LINKS} are shown")
    return tuple(_template(part) for part in parts)


def _template(part: str) -> LinkTemplate:
    name, separator, url = (text.strip() for text in part.partition("="))
    if not separator or not name or len(name) > MAX_NAME:
        raise ValueError(
            f"{part[:60]!r} must be NAME=https://…, with a name of at most {MAX_NAME} characters"
        )
    unknown = [found for found in _BRACED.findall(url) if found not in PLACEHOLDERS]
    if unknown:
        raise ValueError(f"{name}: {{{unknown[0]}}} is none of {', '.join(PLACEHOLDERS)}")
    if problem := _problem(url):
        raise ValueError(f"{name}: the address {problem}")
    return LinkTemplate(name, url)


def _problem(url: str) -> str:
    """Why it is no address that a page may link to; empty when it is one."""
    bare = _BRACED.sub("x", url)
    if "{" in bare or "}" in bare:
        return "has a brace without its other one"
    if len(url) > MAX_URL or any(character.isspace() or not character.isprintable() for character in url):
        return f"must have no blanks, and at most {MAX_URL} characters"
    try:
        parts = urlsplit(bare)
        host, fixed = parts.hostname, urlsplit(url).netloc
    except ValueError:
        return "is none"
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with https:// or http:// and a host"
    return "must not have a placeholder in its host" if "{" in fixed else ""
