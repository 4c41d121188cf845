"""A file of fees of one's own: what it changes, and what is said of one that cannot be used."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from keepa_deals.deals.economics import fees
from keepa_deals.deals.economics.calculation import work_out
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.deals.economics.terms import Source, TermName
from tests.unit.deals.test_economics import Sample

RULE = {"rate": 1000, "minimum": 50, "closing": 120}


def write(path: Path, **market: Any) -> Path:
    path.write_text(json.dumps({"marketplaces": {"1": market}}))
    return path


def test_a_file_of_ones_own_stands_for_the_marketplaces_that_it_names(tmp_path: Path) -> None:
    own = write(tmp_path / "fees.json", categories={"books": RULE}, roots={"283155": ["books"]})
    pricing = Pricing(schedule=fees.schedule(own))
    book = Sample(root_category=283155, referral_fee_bp=None, closing_fee=None)
    effects = {term.name: term.effect for term in work_out(book, pricing).terms}
    assert (effects[TermName.REFERRAL], effects[TermName.CLOSING]) == (-300, -120)
    assert pricing.schedule.of(5) == fees.built_in().of(5)
    assert pricing.stamp(1) != Pricing().stamp(1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is no JSON"),
        ("[]", "has no object 'marketplaces'"),
        ('{"marketplaces": {"99": {}}}', "'99' is none of 1, 2"),
        ('{"marketplaces": {"1": 3}}', "marketplace 1: "),
        ('{"marketplaces": {"1": {"categories": {"a": {}}}}}', "category a has none of rate"),
        ('{"marketplaces": {"1": {"categories": {"a": {"rate": 10001}}}}}', "more than the whole"),
        ('{"marketplaces": {"1": {"categories": {"a": {"rate": -1}}}}}', "no whole number from 0 on"),
        (
            '{"marketplaces": {"1": {"categories": {"a": {"by_price": [[5, 1]]}}}}}',
            "the last one must be null",
        ),
        ('{"marketplaces": {"1": {"vat": {}}}}', "'standard' is missing"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_the_terms_are_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, problem: str
) -> None:
    path = tmp_path / "fees.json"
    path.write_text(text)
    with caplog.at_level(logging.ERROR):
        schedule = fees.schedule(path)
        assert fees.schedule(path) == schedule
    (line,) = caplog.messages
    assert str(path) in line
    assert problem in line
    found = work_out(Sample(root_category=283155), Pricing(schedule=schedule))
    assert found.profit is None
    assert {term.name: term.source for term in found.terms}[TermName.REFERRAL] is Source.FEE_FILE


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(fees.FeeFileError, match=r"AMAZON_FEES: .*none.json cannot be read"):
        fees.check(tmp_path / "none.json")


def test_an_unknown_fee_category_costs_its_root_category_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    roots = {"283155": ["bokks"], "172282": ["books"]}
    own = write(tmp_path / "fees.json", categories={"books": RULE}, roots=roots)
    with caplog.at_level(logging.ERROR):
        pricing = Pricing(schedule=fees.schedule(own))
    assert "root category 283155 names the unknown fee category bokks" in caplog.text
    assert TermName.REFERRAL in work_out(Sample(root_category=283155), pricing).unknown
    assert work_out(Sample(root_category=172282, referral_fee_bp=1000), pricing).profit is not None
