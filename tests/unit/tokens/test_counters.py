"""The counters that the scripts keep, as everybody reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from keepa_deals.tokens.counters import Counters

RAW = {
    "rejected_429": "3",
    "grants|small": "9",
    "waits|small": "4",
    "waited_le|small|5000": "2",
    "waited_le|small|inf": "1",
    "waited_ms|small": "6000",
    "spent|backfill_deals": "70",
    "answers|/deal|200": "90",
    "answers|/deal|429": "2",
    "messages_dropped|upsert": "5",
    "messages_dropped_at": "1795489200000",
}


def test_what_others_wrote_there_is_left_out() -> None:
    counted = Counters.parse({"a": "x", "b": "1.5", "c": "9" * 30, "d": "-2", "e": "7"})
    assert counted.fields == {"d": -2, "e": 7}


def test_a_field_is_a_name_and_its_labels() -> None:
    counted = Counters.parse(RAW)
    assert (counted.total("rejected_429"), counted.total("never_counted")) == (3, 0)
    assert counted.of("answers", "/deal", "429") == 2
    assert list(counted.labelled("answers")) == [(("/deal", "200"), 90), (("/deal", "429"), 2)]
    assert counted.dropped == {"upsert": 5}
    assert counted.dropped_at == datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    assert counted.since is None


def test_a_lane_tells_its_grants_and_how_long_they_waited() -> None:
    lane = Counters.parse(RAW).lane("small")
    assert (lane.grants, lane.waits, lane.waited_seconds, lane.mean_wait) == (9, 3, 6.0, 2.0)
    assert [count for _, count in lane.waits_up_to] == [0, 2, 0, 0, 0, 0, 0, 1]
    assert Counters().lane("bulk").mean_wait is None
