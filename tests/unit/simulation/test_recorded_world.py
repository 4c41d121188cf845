"""The world of recorded answers has the statistics of the recording, and answers as it did."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.worlds import recorded

BEGAN = 1_772_366_400.0
KEY = "k" * 64
QUERY = {"domainId": 1, "priceTypes": [1], "sortType": 1, "singleVariation": True}


class Now:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = BEGAN

    def __call__(self) -> float:
        return self.at


def _world(now: Now, *, deals: int = 450, rate: int = 20, hours: float = 30, **options: str) -> Any:
    return recorded.create(now, deals=deals, rate=rate, hours=hours, seed=3, options=options)


def _deals(world: Any, page: int = 0, **query: Any) -> dict[str, Any]:
    body = json.dumps({**QUERY, **query, "page": page}).encode()
    status, answer = world.answer("POST", f"http://keepa/deal?key={KEY}", body)
    assert status == 200
    return answer  # type: ignore[no-any-return]


def _products(world: Any, *asins: str, key: str = KEY) -> dict[str, Any]:
    url = f"http://keepa/product?key={key}&domain=1&asin={','.join(asins)}"
    _, answer = world.answer("GET", url, None)
    return answer  # type: ignore[no-any-return]


def test_dates_move_as_often_as_recorded_and_never_backwards() -> None:
    """Recorded: of the deals in two sweeps 6.1 % after 1 h, 18.7 % after 3, 31 % after 8, 41 % after 27."""
    world = _world(Now(), deals=4000)
    first = dict(world.dated(BEGAN + 600))
    moved = {}
    for hours in (1, 3, 8, 27):
        later = world.dated(BEGAN + 600 + 3600 * hours)
        both = first.keys() & later.keys()
        assert all(later[asin] >= first[asin] for asin in both)
        moved[hours] = sum(later[asin] != first[asin] for asin in both) / len(both)
    assert moved[1] == pytest.approx(0.061, abs=0.015)
    assert moved[3] == pytest.approx(0.187, abs=0.04)
    assert moved[8] == pytest.approx(0.31, abs=0.04)
    assert moved[27] == pytest.approx(0.41, abs=0.05)


def test_as_many_come_as_go_and_some_newcomers_lie_deep() -> None:
    world = _world(Now(), deals=4000)
    first = dict(world.dated(BEGAN + 600))
    later = world.dated(BEGAN + 600 + 3600 * 4)
    gone, came = first.keys() - later.keys(), later.keys() - first.keys()
    assert len(gone) / len(first) == pytest.approx(1 - 0.975**4, abs=0.02)
    assert len(came) == pytest.approx(len(gone), rel=0.2)
    before = recorded.even(BEGAN + 600)
    deep = sum(later[asin] < before - 3 for asin in came) / len(came)
    assert 0.13 <= deep <= 0.24


def test_all_dates_are_even_and_some_are_shared() -> None:
    dates = list(_world(Now(), deals=800).dated(BEGAN).values())
    assert all(date % 2 == 0 for date in dates)
    assert len(set(dates)) < len(dates)


def test_the_feed_is_newest_first_and_a_page_past_the_end_is_empty_and_paid_for() -> None:
    world = _world(Now(), deals=400)
    pages = [_deals(world, number)["deals"]["dr"] for number in range(3)]
    dates = [deal["creationDate"] for page in pages for deal in page]
    assert dates == sorted(dates, reverse=True)
    past = _deals(world, 3)
    assert (past["deals"]["dr"], past["tokensConsumed"]) == ([], 5)
    assert sum(past["deals"]["categoryCount"]) == len(dates)


def test_counts_ignore_the_categories_that_are_asked_for() -> None:
    deals = _deals(_world(Now()), includeCategories=[283155])["deals"]
    counts = dict(zip(deals["categoryIds"], deals["categoryCount"], strict=True))
    assert counts[283155] == len(_world(Now()).listed(BEGAN))
    assert sum(counts.values()) > 3 * counts[283155]


def test_siblings_take_turns_and_products_tell_their_family() -> None:
    world = _world(Now(), deals=100, rate=100, siblings="5")
    listed = world.listed(BEGAN)
    asins = [tuple(d["asin"] for d in _deals(world)["deals"]["dr"]) for _ in range(4)]
    assert len(set(asins)) > 1
    assert all(len(found) == len({world.family(a) for a in found}) for found in asins)
    member = next(asin for asin in listed if world.family(asin).startswith("P"))
    product = _products(world, member)["products"][0]
    siblings = {member, *(v["asin"] for v in product["variations"])}
    assert siblings == {a for a in listed if world.family(a) == product["parentAsin"]}


def test_an_empty_bucket_answers_with_a_bare_envelope_and_a_wrong_key_with_zeros() -> None:
    world = _world(Now(), rate=5)
    _deals(world)
    status, answer = world.answer("GET", f"http://keepa/product?key={KEY}&asin=B000000000", None)
    assert (status, answer["tokensConsumed"], "error" in answer) == (429, 0, False)
    status, answer = world.answer("GET", "http://keepa/token?key=short", None)
    assert (status, answer["tokensLeft"], answer["error"]["type"]) == (400, 0, "invalidParameter")


def test_a_malformed_asin_is_an_error_in_a_200() -> None:
    answer = _products(_world(Now()), "B000000000", "b00")
    assert ("products" in answer, answer["tokensConsumed"]) == (False, 0)


def test_ticks_come_a_third_of_a_second_late_and_never_announce_less_than_half_a_second() -> None:
    now = Now()
    world = _world(now, rate=5, hours=1)
    ticks, before = [], world.account.left
    for step in range(60 * 61 * 4):
        now.at = BEGAN + step / 4
        envelope = world.answer("GET", f"http://keepa/token?key={KEY}", None)[1]
        assert envelope["refillIn"] >= 522
        if envelope["tokensLeft"] != before:
            ticks.append(now.at)
            before = envelope["tokensLeft"]
    assert (ticks[-1] - ticks[0]) / (len(ticks) - 1) == pytest.approx(60.3, abs=0.15)


@pytest.mark.parametrize(("name", "value"), [("colour", "red"), ("dates", "sometimes")])
def test_an_option_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        _world(Now(), **{name: value})
