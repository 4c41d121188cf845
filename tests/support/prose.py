"""Reads the documentation as a reader does: its sentences, its paragraphs and where its links lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^#{1,6}\s+(.*)$")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"(`+)(.+?)\1")
_END = re.compile(r"(?<=[.!?])[)\"*_]*\s+(?=[\"*_(]*[^\sa-z\"*_(])| · ")
"""A stop before a new beginning, or the dot between the items of a list in a line."""
_WORD = re.compile(r"\w")
_PATH = re.compile(r"(?:(?:tests|keepa_deals|docs|Diagnostics|\.ci)/[\w./-]+|[\w/-]+\.(?:py|js|lua))$")
CODE_WORD = "Code"
"""Stands for a piece of code, which is one word to a reader."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, an item of a list or a heading: where it begins, and its text in one line."""

    line: int
    text: str

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(part for part in _END.split(self.text) if part)


def words(text: str) -> int:
    """How many there are; a piece of code or a number is one."""
    return sum(1 for word in text.split() if _WORD.search(word))


def blocks(text: str) -> Iterator[Block]:
    """The prose of a page in Markdown: no tables, no code, of links only their text."""
    first, held = 0, list[str]()
    for number, line in enumerate([*_without_code(text), ""], 1):
        line = line.removeprefix(">").lstrip() if line.startswith(">") else line
        heading, item = _HEADING.match(line), _ITEM.match(line)
        if heading or item or not line.strip() or line.lstrip().startswith("|"):
            if held:
                yield Block(first, _plain(" ".join(held)))
            first, held = number, []
        if heading:
            yield Block(number, _plain(heading[1]))
        elif line.strip() and not line.lstrip().startswith("|"):
            first = first if held else number
            held = [*held, (line[item.end() :] if item else line).strip()]


def links(text: str) -> Iterator[tuple[int, str]]:
    """Each link of a page that leads to a file or heading of the project, and its line."""
    for number, line in enumerate(_without_code(text), 1):
        for match in _LINK.finditer(_CODE.sub("", line)):
            if not re.match(r"[a-z]+:", match[2]):
                yield number, match[2]


def paths(text: str) -> Iterator[tuple[int, str]]:
    """Each piece of code that is the path or the name of a file of the project, and its line."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in _CODE.finditer(line):
            if _PATH.match(match[2]):
                yield number, match[2]


def anchors(text: str) -> set[str]:
    """What a link to a heading of this page may say behind ``#``, by GitHub's rule."""
    found: dict[str, int] = {}
    for line in _without_code(text):
        if heading := _HEADING.match(line):
            bare = re.sub(r"[^\w\- ]", "", _LINK.sub(r"\1", heading[1]).lower()).replace(" ", "-")
            found[bare] = found.get(bare, -1) + 1
    return {name if not n else f"{name}-{n}" for name, most in found.items() for n in range(most + 1)}


def pages(root: Path) -> list[Path]:
    """All pages of the project that people read."""
    return sorted([*root.glob("*.md"), *(root / "docs").glob("**/*.md")])


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", _CODE.sub(CODE_WORD, text))


def _without_code(text: str) -> Iterator[str]:
    inside = False
    for line in text.splitlines():
        fence = bool(_FENCE.match(line))
        yield "" if fence or inside else line
        inside ^= fence
