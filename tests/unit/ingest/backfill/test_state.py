"""The crawl's place: written and read by its owner alone."""

from __future__ import annotations

import pytest

from keepa_deals.ingest.backfill.state import CrawlState, crawl_of


@pytest.mark.parametrize("crawl", [CrawlState("abc", 7), CrawlState("abc", is_complete=True)], ids=repr)
def test_the_place_comes_back_the_same(crawl: CrawlState) -> None:
    assert crawl_of(crawl.to_json()) == crawl


@pytest.mark.parametrize("cursor", [None, [], {}, {"page": 3}], ids=repr)
def test_what_is_no_cursor_has_no_crawl(cursor: object) -> None:
    assert crawl_of(cursor) is None
