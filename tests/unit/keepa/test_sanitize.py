"""Texts and names of pictures, as a database can hold them."""

from __future__ import annotations

import pytest

from keepa_deals.keepa.sanitize import image_name, plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("5<10 inch", "5<10 inch"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("&lt;b&gt;", "<b>"),
        ("Tom&nbsp;&amp;&nbsp;Jerry", "Tom & Jerry"),
        (None, ""),
    ],
)
def test_titles_lose_tags_and_entities_but_no_text(markup: str | None, text: str) -> None:
    assert plain_text(markup) == text


def test_what_no_database_can_store_is_replaced() -> None:
    assert plain_text("a\x00b \ud83d c \U0001f600") == "a\ufffdb \ufffd c \U0001f600"


def test_an_image_is_ascii_codes_or_nothing() -> None:
    assert image_name([65, 46, 106]) == "A.j"
    assert image_name([]) is None
    for no_name in (
        [65, 0],
        [300],
        [-1],
        ["x"],
        [65] * 129,
        "a\x00",
        "ö.jpg",
        {"l": 1},
        "../x.jpg",
        'a"b',
        10**9,
    ):
        assert image_name(no_name) is None
