"""Looking at many things at once."""

from __future__ import annotations

import threading

from keepa_deals.health.probing import run_probes


def value() -> int:
    return 7


def broken() -> int:
    raise ValueError("no such thing")


def test_a_probe_that_works_gives_its_value() -> None:
    reading = run_probes({"a": value}).take("a", value)
    assert (reading.value, reading.error, reading.known) == (7, None, True)


def test_a_probe_that_fails_gives_its_error_and_leaves_the_others_alone() -> None:
    found = run_probes({"bad": broken, "good": value})
    assert found.take("bad", broken).error == "ValueError: no such thing"
    assert found.take("good", value).value == 7


def test_a_probe_that_hangs_is_left_behind() -> None:
    never = threading.Event()
    try:
        found = run_probes({"stuck": never.wait, "good": value}, timeout=0.05)
        assert found.take("stuck", never.wait).error == "no answer within 0.05 s"
        assert found.take("good", value).value == 7
    finally:
        never.set()


def test_a_probe_that_ends_the_process_is_only_an_error() -> None:
    def leave() -> int:
        raise SystemExit(3)

    assert run_probes({"a": leave}).take("a", leave).error == "SystemExit: 3"


def test_probes_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=5)
    found = run_probes({"one": meeting.wait, "two": meeting.wait}, timeout=5)
    assert {found.take(name, meeting.wait).value for name in ("one", "two")} == {0, 1}
