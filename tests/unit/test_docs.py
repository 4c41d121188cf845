"""The documentation can be read: short sentences, paragraphs that fit a screen, links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.prose import anchors, blocks, links, pages, paths, words

MOST_WORDS = 30
"""Of a sentence."""
MOST_IN_A_PARAGRAPH = 120
PAGES = pages(ROOT)
NAMES = {file.name for folder in ("keepa_deals", "tests") for file in (ROOT / folder).rglob("*.*")}
"""What a page may call a file by where it is clear which one is meant."""


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_sentence_has_at_most_thirty_words(page: Path) -> None:
    long = [
        f"{_name(page)}:{block.line}: {words(sentence)} words: {sentence}"
        for block in blocks(page.read_text(encoding="utf-8"))
        for sentence in block.sentences
        if words(sentence) > MOST_WORDS
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_paragraph_fits_a_screen(page: Path) -> None:
    long = [
        f"{_name(page)}:{block.line}: {words(block.text)} words: {block.text[:60]}…"
        for block in blocks(page.read_text(encoding="utf-8"))
        if words(block.text) > MOST_IN_A_PARAGRAPH
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_link_leads_somewhere(page: Path) -> None:
    broken = []
    for line, target in links(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists():
            broken.append(f"{_name(page)}:{line}: {target}: no such file")
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            broken.append(f"{_name(page)}:{line}: {target}: no such heading")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_file_that_is_named_is_there(page: Path) -> None:
    gone = [
        f"{_name(page)}:{line}: {path}"
        for line, path in paths(page.read_text(encoding="utf-8"))
        if not any((folder / path).exists() for folder in (ROOT, ROOT / "keepa_deals")) and path not in NAMES
    ]
    assert not gone, "\n".join(gone)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("**/*.md")), ids=_name)
def test_the_front_page_leads_to_every_page(page: Path) -> None:
    front = ROOT / "docs" / "README.md"
    reached = {(front.parent / path).resolve() for _, path in links(front.read_text(encoding="utf-8"))}
    assert page.resolve() in {front.resolve(), *reached}


RESERVED = {"call", "class", "click", "default", "direction", "end", "graph", "href", "style", "subgraph"}
"""Words of Mermaid's flowcharts: a box of such a name is no drawing but an error message."""


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_box_of_a_flowchart_has_a_reserved_name(page: Path) -> None:
    drawings = re.findall(r"```mermaid\nflowchart \w+\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    boxes = {box for drawing in drawings for box in re.findall(r"(?:^|>)\s+(\w+)", drawing, re.MULTILINE)}
    assert not boxes & RESERVED
    assert bool(boxes) == bool(drawings)


class TestTheReading:
    """Else a test above might pass because it sees nothing."""

    def test_tables_and_code_are_no_prose_and_links_are_their_text(self) -> None:
        text = "# Head\nA [link](x.md) to\n`a b c`.\n\n| a | b |\n\n```\ncode\n```\n- one\n- two\n  more\n"
        assert [block.text for block in blocks(text)] == ["Head", "A link to Code.", "one", "two more"]
        assert [block.line for block in blocks(text)] == [1, 2, 10, 11]

    def test_a_sentence_ends_at_a_stop_and_not_within_a_number(self) -> None:
        (block,) = blocks("It takes 3.5 s. **Why?** Nobody knows (yet). 12 deals wait.")
        assert [words(sentence) for sentence in block.sentences] == [4, 1, 3, 3]

    def test_a_long_sentence_is_seen(self) -> None:
        (block,) = blocks("word " * 31 + ".")
        assert [words(sentence) for sentence in block.sentences] == [31]

    def test_a_heading_is_named_by_its_words(self) -> None:
        text = "## One deal (`/deals/<domain>/<ASIN>`)\n## Twice\n## Twice\n"
        assert anchors(text) == {"one-deal-dealsdomainasin", "twice", "twice-1"}

    def test_a_quotation_and_the_dots_of_a_list_part_it(self) -> None:
        found = [block.sentences for block in blocks("> one · two words\n>\n> three\n")]
        assert found == [("one", "two words"), ("three",)]

    def test_only_what_looks_like_a_path_is_one(self) -> None:
        text = "`tests/unit` `tests.unit` `python tests/x.py` `docs/a_b.md` `formats.js` `a.json`"
        assert [path for _, path in paths(text)] == ["tests/unit", "docs/a_b.md", "formats.js"]

    def test_links_elsewhere_are_not_followed(self) -> None:
        text = "[a](b.md#c) ![p](images/p.png) [x](https://example.org) `[n](o)`"
        assert list(links(text)) == [(1, "b.md#c"), (1, "images/p.png")]
