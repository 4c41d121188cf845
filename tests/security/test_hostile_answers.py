"""Whatever stands in an answer of ``/deal``, ``/product`` or ``/token``: a result that can be stored, or an
error of ours. ``python -m tests.security.fuzz`` runs the same for as long as one likes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import KeepaError
from keepa_deals.keepa.fields import INT64, is_asin
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.transport import Reply
from tests.support.examples import examples
from tests.support.servers.keepa import ENVELOPE, KEY, product
from tests.unit.keepa.test_recorded_deals import NAMES, values

ASINS = ("B000000001", "B000000002")
DEALS = [
    {"asin": asin, "title": "T", "creationDate": 8_000_000, "lastUpdate": 8_000_000, "current": [1, 2, 3],
     "rootCat": 7, "avg": [[1], [2], [3], [4]], "deltaPercent": [[5]], "image": [65, 66]}
    for asin in ASINS
]  # fmt: skip
COUNTS = {"categoryIds": [7], "categoryNames": ["C"], "categoryCount": [2]}
SOUND: dict[str, dict[str, Any]] = {
    "/token": dict(ENVELOPE),
    "/deal": {**ENVELOPE, "deals": {"dr": DEALS, **COUNTS}},
    "/product": {**ENVELOPE, "products": [product(asin, csv=[[1, 2]]) for asin in ASINS]},
}
CALLS: dict[str, Callable[[KeepaClient], object]] = {
    "/token": lambda client: client.token_status(),
    "/deal": lambda client: client.deals({}, 0),
    "/product": lambda client: client.products(ASINS),
}
places = st.lists(st.integers(0, 40), min_size=1, max_size=6)
changes = st.lists(
    st.tuples(places, values | st.integers(-(2**65), 2**65), st.sampled_from(NAMES)), max_size=4
)
cuts = st.none() | st.tuples(st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=20))
statuses = st.sampled_from([200, 200, 200, 200, 400, 402, 404, 429, 500, 302]) | st.integers(100, 999)


def changed(body: dict[str, Any], steps: list[tuple[list[int], Any, str]]) -> Any:
    """The body with a value put at each place: a path of numbers that pick a member at each level."""
    body = json.loads(json.dumps(body))
    for path, value, name in steps:
        inner: Any = body
        for number in path[:-1]:
            members = list(inner.values()) if isinstance(inner, dict) else inner
            chosen = members[number % len(members)] if members else None
            if not isinstance(chosen, dict | list):
                break
            inner = chosen
        if isinstance(inner, dict):
            keys = [*inner, name]
            inner[keys[path[-1] % len(keys)]] = value
        elif inner:
            inner[path[-1] % len(inner)] = value
    return body


class Canned:
    """In the transport's place: gives one answer for ever."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def send(self, *_: object) -> Reply:
        return self.reply


@settings(max_examples=examples(200), deadline=None)
@given(st.sampled_from(sorted(SOUND)), changes, cuts, statuses, st.text(max_size=20))
@example("/deal", [([4], 10**15, "asin")], None, 200, "")
@example("/token", [([2], float("inf"), "asin")], None, 200, "")
@example("/product", [([7], {"a": None}, "stats")], None, 200, "")
@example("/deal", [], (0, 40, b"\xff\xfe"), 429, "Fri, 31 Dec 9999 23:59:59 GMT")
def test_an_answer_is_a_result_that_can_be_stored_or_an_error_of_ours(
    path: str,
    steps: list[tuple[list[int], Any, str]],
    cut: tuple[int, int, bytes] | None,
    status: int,
    wait: str,
) -> None:
    body = json.dumps(changed(SOUND[path], steps)).encode()
    if cut is not None:
        at, gone, put = cut
        body = body[:at] + put + body[at + gone :]
    client = KeepaClient(KEY, sleep=lambda _: None)
    client._transport = Canned(Reply(status, {"Retry-After": wait}, body))  # type: ignore[assignment]
    found: object = None
    try:
        found = CALLS[path](client)
    except KeepaError as error:
        found = str(error)
    assert_storable(found)


def assert_storable(found: object) -> None:
    match found:
        case str():
            assert found, "an error without words"
            assert KEY not in found
        case TokenEnvelope():
            assert -INT64 - 1 <= found.tokens_left <= INT64
        case DealPage():
            assert all(is_asin(deal.asin) for deal in found.deals)
            assert len(found.deals) + found.unreadable <= 150
            assert_numbers([getattr(deal, name) for deal in found.deals for name in deal.__slots__])
        case ProductBatch():
            assert {one.asin for one in found.products} <= set(ASINS)
            assert_numbers([getattr(one, name) for one in found.products for name in one.__slots__])
        case _:
            raise AssertionError(f"{type(found)} is no result")


def assert_numbers(these: list[object]) -> None:
    """Whole numbers of 64 bits at most, and text without halves of pairs."""
    for value in these:
        if isinstance(value, int):
            assert -INT64 - 1 <= value <= INT64
        elif isinstance(value, str):
            value.encode()


@pytest.mark.parametrize("path", SOUND)
def test_what_is_not_changed_is_read(path: str) -> None:
    client = KeepaClient(KEY)
    client._transport = Canned(Reply(200, {}, json.dumps(SOUND[path]).encode()))  # type: ignore[assignment]
    found = CALLS[path](client)
    assert_storable(found)
    assert len(getattr(found, "deals", getattr(found, "products", ASINS))) == len(ASINS)
