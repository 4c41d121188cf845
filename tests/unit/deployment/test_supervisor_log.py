"""The supervisor's log: how often each program came back."""

from __future__ import annotations

from datetime import timedelta

from keepa_deals.deployment.supervisor_log import parse

LOG = """\
2026-11-24 23:26:06,345 INFO supervisord started with pid 7719
2026-11-24 23:26:06,347 INFO spawned: 'beat' with pid 7720
2026-11-24 23:26:07,427 INFO success: beat entered RUNNING state, process has stayed up for > than 1 seconds
2026-11-24 23:30:00,000 WARN exited: beat (terminated by SIGKILL; not expected)
2026-11-24 23:30:02,000 INFO spawned: 'beat' with pid 7730
2026-11-24 23:40:00,000 INFO waiting for beat to stop
2026-11-24 23:40:01,000 INFO stopped: beat (exit status 0)
Unlinking stale socket
""".splitlines()


def test_an_unexpected_end_and_the_return_are_seen() -> None:
    first, _ = parse(LOG).downs["beat"]
    assert (first.died, first.how, first.seconds) == (True, "terminated by SIGKILL", 2.0)


def test_an_ordered_stop_is_none_of_the_unexpected_ends() -> None:
    found = parse(LOG)
    assert found.downs["beat"][-1].end is None
    assert not found.downs["beat"][-1].died
    assert len(found.deaths("beat")) == 1
    assert found.deaths("beat", found.downs["beat"][0].start + timedelta(seconds=1)) == []


def test_garbage_is_no_trouble() -> None:
    assert parse(["", "\x00\x01", "2026-11-24 nonsense"]).downs == {}
