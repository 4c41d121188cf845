"""The account's envelope: as it was recorded, and what cannot be true of one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keepa_deals.keepa.envelope import TokenEnvelope
from tests.support.samples import needs_samples, sample


@needs_samples
class TestRecordedAnswers:
    def test_the_envelope_of_a_full_bucket(self) -> None:
        envelope = TokenEnvelope.from_json(sample("token_full_bucket.json"))
        assert (envelope.tokens_left, envelope.refill_rate, envelope.refill_in_ms) == (1200, 20, 39592)
        assert envelope.timestamp == datetime(2026, 5, 30, 11, 52, 37, 832_000, tzinfo=UTC)

    def test_the_envelope_of_a_refused_call(self) -> None:
        envelope = TokenEnvelope.from_json(sample("error_429_bucket_empty.json"))
        assert (envelope.tokens_left, envelope.refill_in_ms, envelope.tokens_consumed) == (0, 38205, 0)

    def test_one_asin_may_cost_four_tokens(self) -> None:
        assert TokenEnvelope.from_json(sample("product_B0D8W1YVBX.json")).tokens_consumed == 4


ENVELOPE = {"timestamp": 1_758_036_697_230, "tokensLeft": -249, "refillIn": 45_592, "refillRate": 5}


@pytest.mark.parametrize(
    "impossible",
    [
        {"refillIn": 10**15}, {"refillIn": -1}, {"refillIn": 3_600_001}, {"refillIn": "1"},
        {"refillRate": 0}, {"refillRate": -5}, {"refillRate": 10**9}, {"refillRate": 5.0},
        {"tokensLeft": 10**18}, {"tokensLeft": -(10**18)}, {"tokensLeft": float("inf")}, {"tokensLeft": [1]},
        {"timestamp": 0}, {"timestamp": 10**20}, {"timestamp": float("nan")}, {"timestamp": "now"},
        {"tokensConsumed": -1}, {"tokensConsumed": 10**12}, {"tokensConsumed": "5"},
    ],
    ids=repr,
)  # fmt: skip
def test_an_impossible_envelope_is_none_and_the_error_names_the_field(impossible: dict) -> None:
    (field,) = impossible
    with pytest.raises(ValueError, match=field):
        TokenEnvelope.from_json(ENVELOPE | impossible)


@pytest.mark.parametrize("missing", ENVELOPE)
def test_an_envelope_without_one_of_its_fields_is_none(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        TokenEnvelope.from_json({name: value for name, value in ENVELOPE.items() if name != missing})


@pytest.mark.parametrize(
    "strange", [{"tokenFlowReduction": float("nan")}, {"processingTimeInMs": -7}, {"tokenFlowReduction": []}]
)
def test_a_strange_side_note_of_the_envelope_is_nothing(strange: dict) -> None:
    envelope = TokenEnvelope.from_json(ENVELOPE | strange)
    assert (envelope.tokens_left, envelope.token_flow_reduction, envelope.processing_time_ms) == (
        -249,
        0.0,
        0,
    )
