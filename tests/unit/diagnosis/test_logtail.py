"""The ends of logs: condensed, whole where it matters, and without secrets."""

from __future__ import annotations

from pathlib import Path

from keepa_deals.diagnosis.logtail import condense, read_tail


def test_lines_that_differ_in_numbers_only_are_counted() -> None:
    lines = [f"2026-11-24T08:10:{n:02d}.000Z INFO 123 waits {n} s" for n in range(30)] + ["another"]
    assert list(condense(lines)) == [f"{lines[29]}   (× 30)", "another"]


def test_a_traceback_stays_whole() -> None:
    trace = [
        "Traceback (most recent call last):",
        '  File "a.py", line 1',
        '  File "a.py", line 1',
        "Error: x",
    ]
    assert list(condense(trace)) == trace


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
