"""Which part of the tokens each search may count on: what it needs, or by its weight."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.upsert.shares import Claim, has_moved, share_out

NEEDS = st.none() | st.floats(0, 3)
CLAIMS = st.lists(st.builds(Claim, st.integers(1, 10), NEEDS), min_size=1, max_size=20)


def needed(claim: Claim) -> float:
    return math.inf if claim.needed is None else claim.needed


@given(CLAIMS)
def test_all_is_given_out_and_no_more(claims: list[Claim]) -> None:
    shares = share_out(claims)
    assert len(shares) == len(claims)
    assert math.isclose(sum(shares), 1)


@given(CLAIMS)
def test_nobody_gets_less_than_its_weight_gives_it_but_who_needs_less(claims: list[Claim]) -> None:
    weights = sum(claim.weight for claim in claims)
    for claim, share in zip(claims, share_out(claims), strict=True):
        assert share >= min(needed(claim), claim.weight / weights) - 1e-9
        assert share > 0 or claim.needed == 0


@given(CLAIMS)
def test_what_suffices_for_all_leaves_nobody_short(claims: list[Claim]) -> None:
    if sum(needed(claim) for claim in claims) <= 1:
        for claim, share in zip(claims, share_out(claims), strict=True):
            assert share >= needed(claim) - 1e-9


@given(CLAIMS)
def test_where_it_does_not_suffice_nobody_gets_more_than_it_needs_and_the_short_go_by_weight(
    claims: list[Claim],
) -> None:
    if len(claims) > 1 and sum(needed(claim) for claim in claims) > 1 + 1e-6:
        given_out = list(zip(claims, share_out(claims), strict=True))
        assert all(share <= needed(claim) + 1e-9 for claim, share in given_out)
        levels = [share / claim.weight for claim, share in given_out if share < needed(claim) - 1e-9]
        assert max(levels) - min(levels) < 1e-9
        assert all(share / claim.weight <= max(levels) + 1e-9 for claim, share in given_out)


@given(CLAIMS, st.integers(1, 10))
def test_a_larger_weight_never_brings_less(claims: list[Claim], weight: int) -> None:
    more = Claim(max(weight, claims[0].weight), claims[0].needed)
    assert share_out([more, *claims[1:]])[0] >= share_out(claims)[0] - 1e-9


def test_a_single_search_has_it_all() -> None:
    assert share_out([Claim(3, 0.1)]) == [1.0]


def test_who_is_not_known_yet_has_the_part_of_its_weight() -> None:
    assert share_out([Claim(5, 0.9), Claim(5, None)]) == [0.5, 0.5]
    assert [round(share, 6) for share in share_out([Claim(5, 0.1), Claim(5, None)])] == [0.1, 0.9]


def test_a_small_move_is_not_worth_another_plan() -> None:
    assert not has_moved(0.5, 0.54)
    assert has_moved(0.5, 0.56)
    assert has_moved(0.5, 0.44)
