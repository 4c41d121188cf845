"""The ends of logs: condensed, whole where it matters, and without secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepa_deals.deployment.log_tail import read_tail, troubles


@pytest.fixture
def condensed(tmp_path: Path) -> Callable[[list[str]], list[str]]:
    """What is read of a log with these lines."""

    def read(lines: list[str]) -> list[str]:
        log = tmp_path / "condensed.log"
        log.write_text("".join(f"{line}\n" for line in lines))
        return read_tail(log, len(lines))

    return read


def test_lines_that_differ_in_numbers_only_are_counted(condensed: Callable[[list[str]], list[str]]) -> None:
    lines = [f"2026-11-24T08:10:{n:02d}.000Z INFO 123 waits {n} s" for n in range(30)] + ["another"]
    assert condensed(lines) == [f"{lines[29]}   (× 30)", "another"]


def test_a_traceback_stays_whole(condensed: Callable[[list[str]], list[str]]) -> None:
    trace = [
        "Traceback (most recent call last):",
        '  File "a.py", line 1',
        '  File "a.py", line 1',
        "Error: x",
    ]
    assert condensed(trace) == trace


def test_the_key_is_hidden(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(f"GET /deal?key={'k' * 64}&x=1\nplain {'A1' * 32} text\n")
    found = "\n".join(read_tail(log, 10))
    assert "kkkk" not in found
    assert "A1A1" not in found


def test_only_the_last_lines_of_a_huge_log_are_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {'abcdefghij'[n % 10]} of many\n" for n in range(100_000)))
    assert len(read_tail(log, 7)) == 7


def test_a_cycle_of_lines_is_shown_once_with_its_counts(condensed: Callable[[list[str]], list[str]]) -> None:
    cycle = [
        f"2026-11-24T08:10:{n:02d}Z {word}" for n in range(20) for word in ("received", "waits", "succeeded")
    ]
    assert [line.rpartition("   ")[2] for line in condensed(cycle)] == ["(× 20)"] * 3


def test_a_traceback_that_repeats_is_counted_whole(condensed: Callable[[list[str]], list[str]]) -> None:
    once = [
        "2026-11-24T08:10:01Z ERROR x failed",
        "Traceback (most recent call last):",
        '  File "a"',
        "Error: 1",
    ]
    again = [line.replace("08:10:01", "08:11:02").replace("Error: 1", "Error: 2") for line in once]
    assert condensed(once + again) == [
        f"{again[0]}   (× 2)",
        *again[1:3],
        "Error: 2   (× 2)",
    ]


def test_a_chained_traceback_stays_in_one_piece(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    chain = [
        "Traceback (most recent call last):",
        "  one",
        "Error: a",
        "During handling of the above exception, another exception occurred:",
        "Traceback (most recent call last):",
        "  two",
        "Error: b",
    ]
    log.write_text("\n".join(["before", *chain]))
    assert read_tail(log, 1) == chain


def test_troubles_are_the_late_warnings_and_errors_without_secrets() -> None:
    lines = [
        "2026-11-24T07:00:00.000Z ERROR   12 keepa_deals.ingest.run: too old",
        "2026-11-24T08:00:00.000Z INFO    12 keepa_deals.ingest.run: fine",
        f"2026-11-24T08:00:01.500Z WARNING 12 keepa_deals.keepa.client: key={'k' * 64} 502",
        "no line of ours",
    ]
    ((at, text),) = troubles(lines, datetime(2026, 11, 24, 7, 30, tzinfo=UTC))
    assert at == datetime(2026, 11, 24, 8, 0, 1, 500_000, tzinfo=UTC)
    assert "502" in text
    assert "kkkk" not in text
