"""Links of one's own: what is put in, and what is refused with its reason."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.deals.link_templates import parse


def test_values_are_written_for_an_address() -> None:
    first, second = parse("Shop=https://shop.example/{tld}/{asin}?q={title}&p={price} | B=http://b.example/")
    values = {"tld": "co.uk", "asin": "055299068X", "title": "Tea & #1/2", "price": ""}
    assert first.name == "Shop"
    assert first.address(values) == "https://shop.example/co.uk/055299068X?q=Tea%20%26%20%231%2F2&p="
    assert second.address(values) == "http://b.example/"
    assert parse("") == ()


@given(st.text(max_size=60))
def test_no_title_leads_elsewhere(title: str) -> None:
    (link,) = parse("Shop=https://shop.example/find?q={title}&z=1")
    parts = urlsplit(link.address({"title": title.encode(errors="replace").decode()}))
    assert (parts.hostname, parts.path) == ("shop.example", "/find")
    assert parse_qs(parts.query)["z"] == ["1"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://shop.example/{asin}", "must be NAME="),
        ("=https://shop.example", "must be NAME="),
        ("Shop", "must be NAME="),
        ("S" * 31 + "=https://shop.example", "must be NAME="),
        ("Shop=javascript:alert(1)", "must begin with https://"),
        ("Shop=//shop.example", "must begin with https://"),
        ("Shop=https://", "must begin with https://"),
        ("Shop=https://[", "is none"),
        ("Shop=https://{asin}.example/", "placeholder in its host"),
        ("Shop=https://shop.example/{isbn}", "{isbn} is none of asin"),
        ("Shop=https://shop.example/{asin", "brace"),
        ("Shop=https://shop.example/a b", "no blanks"),
        (" | ".join(["A=https://a.example"] * 9), "at most 8"),
    ],
)
def test_what_is_no_template_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)
