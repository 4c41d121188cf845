"""What Amazon's answers mean: the shapes are those of its models."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.deals import money
from keepa_deals.deals.may_sell import MaySell
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.sp_api.answers import FeeQuestion, estimates_of, restriction_of
from keepa_deals.sp_api.conditions import CONDITIONS, condition_of
from keepa_deals.sp_api.errors import UnreadableAnswerError
from keepa_deals.sp_api.places import MARKETPLACE_IDS, REGIONS

US = "ATVPDKIKX0DER"
APPROVE = "https://sellercentral.amazon.com/hz/approvalrequest/restrictions/approve?asin=B0000ASIN1"


def body(*reasons: dict[str, Any], place: str = US, condition: str | None = "new_new") -> dict[str, Any]:
    kind = {"conditionType": condition} if condition else {}
    return {"restrictions": [{"marketplaceId": place, **kind, "reasons": list(reasons)}]}


def reason(code: str | None = None, link: str | None = None) -> dict[str, Any]:
    links = [{"resource": link, "verb": "GET"}] if link else []
    return {"message": "Words.", **({"reasonCode": code} if code else {}), "links": links}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"restrictions": []}, MaySell.ALLOWED),
        (body(reason("APPROVAL_REQUIRED", APPROVE)), MaySell.APPROVAL),
        (body(reason("APPROVAL_REQUIRED")), MaySell.APPROVAL),
        (body(reason("NOT_ELIGIBLE")), MaySell.REFUSED),
        (body(reason("ASIN_NOT_FOUND")), MaySell.REFUSED),
        (body(reason(link=APPROVE)), MaySell.APPROVAL),  # the model's own example has no code
        (body(reason()), MaySell.REFUSED),
        (body(), MaySell.REFUSED),
        (body(reason("APPROVAL_REQUIRED", APPROVE), reason("NOT_ELIGIBLE")), MaySell.REFUSED),
        (body(reason("NOT_ELIGIBLE"), place="A1F83G8C2ARO7P"), MaySell.ALLOWED),
        (body(reason("NOT_ELIGIBLE"), condition="used_good"), MaySell.ALLOWED),
        (body(reason("NOT_ELIGIBLE"), condition=None), MaySell.REFUSED),
    ],
)
def test_a_restriction_is_the_strictest_of_what_is_about_the_product_as_asked(
    answer: dict[str, Any], expected: MaySell
) -> None:
    assert restriction_of(answer, 1, "new_new").may_sell is expected


def test_approval_comes_with_its_words_and_its_link() -> None:
    found = restriction_of(body(reason("APPROVAL_REQUIRED", APPROVE)), 1, "new_new")
    assert (found.message, found.link) == ("Words.", APPROVE)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "http://sellercentral.amazon.com/x",
        "https://amazon.com.evil.example/x",
        "https://evil.example/?amazon.com",
        "https://user@sellercentral.amazon.com/x",
        "https://sellercentral.amazon.com:8443/x",
        "https://[",
        "https://sellercentral.amazon.com/" + "x" * 500,
    ],
)
def test_a_link_that_is_no_page_of_amazons_is_not_shown(link: str) -> None:
    assert restriction_of(body(reason("APPROVAL_REQUIRED", link)), 1, "new_new").link is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["restrictions", "reasons", "links", "marketplaceId", "resource", "Status"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(answer=JSON)
def test_whatever_comes_is_an_answer_or_a_trouble(answer: object) -> None:
    question = FeeQuestion("B000000001", 1, 2500, by_amazon=True)
    for read in (lambda: restriction_of(answer, 1, "new_new"), lambda: estimates_of(answer, [question])):
        with contextlib.suppress(UnreadableAnswerError):
            read()


def test_an_answer_without_a_list_is_no_leave_to_sell() -> None:
    for answer in ({}, [], None, "x", {"restrictions": None}, {"restrictions": {}}, {"restrictions": [1]}):
        with pytest.raises(UnreadableAnswerError):
            restriction_of(answer, 1, "new_new")


# -- fees ----------------------------------------------------------------------------------------
def result(question: FeeQuestion, total: object = 7.31, **fees: float) -> dict[str, Any]:
    return {
        "Status": "Success",
        "FeesEstimateIdentifier": {"SellerInputIdentifier": question.identifier},
        "FeesEstimate": {
            "TotalFeesEstimate": {"CurrencyCode": "USD", "Amount": total},
            "FeeDetailList": [
                {"FeeType": kind, "FinalFee": {"CurrencyCode": "USD", "Amount": amount}}
                for kind, amount in fees.items()
            ],
        },
    }


def test_estimates_are_matched_by_their_identifier_and_in_cents() -> None:
    first, second = (FeeQuestion(f"B00000000{n}", 1, 2500, by_amazon=True) for n in (1, 2))
    answers = [result(second, 3.0), result(first, 7.31, ReferralFee=3.75, FBAFees=3.56, VariableClosingFee=0)]
    one, other = estimates_of(answers, [first, second])
    assert (one.total, one.referral, one.fulfilment, one.closing) == (731, 375, 356, 0)
    assert other.total == 300


@pytest.mark.parametrize("total", [None, "7", True, -1, float("nan"), float("inf"), 1e12])
def test_a_total_that_is_no_amount_is_no_estimate(total: object) -> None:
    question = FeeQuestion("B000000001", 1, 2500, by_amazon=True)
    assert estimates_of([result(question, total)], [question])[0].total is None


def test_what_is_missing_or_refused_says_why() -> None:
    question = FeeQuestion("B000000001", 1, 2500, by_amazon=False)
    refused = {**result(question), "Status": "ClientError", "Error": {"Message": "Not known."}}
    assert estimates_of([refused], [question])[0].problem == "Not known."
    assert estimates_of([], [question])[0].problem


def test_a_price_is_asked_about_in_the_currency_of_its_marketplace() -> None:
    asked = [FeeQuestion("B000000001", domain, 2500, by_amazon=True).to_json() for domain in (1, 5)]
    prices = [one["FeesEstimateRequest"]["PriceToEstimateFees"]["ListingPrice"] for one in asked]
    assert prices == [{"CurrencyCode": "USD", "Amount": 25.0}, {"CurrencyCode": "JPY", "Amount": 2500.0}]


# -- tables --------------------------------------------------------------------------------------
def test_every_marketplace_has_an_id_and_a_region_of_its_own() -> None:
    assert set(MARKETPLACE_IDS) == set(REGIONS) == set(MARKETPLACES)
    assert len(set(MARKETPLACE_IDS.values())) == len(MARKETPLACES)


@pytest.mark.parametrize("domain_id", MARKETPLACES)
def test_a_currencys_decimals_are_those_that_people_write(domain_id: int) -> None:
    assert MARKETPLACES[domain_id].minor_digits == money.digits(domain_id)


def test_every_price_type_is_of_one_of_amazons_conditions() -> None:
    assert {condition_of(number) for number in range(-1, 60)} == set(CONDITIONS)
    assert (condition_of(1), condition_of(2), condition_of(22)) == ("new_new", "used_good", "used_acceptable")
