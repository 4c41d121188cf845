"""What nobody understands is kept for a bug report: little of it, newest first, without secrets."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepa_deals import redaction
from keepa_deals.keepa.notices import StrangeAnswer
from keepa_deals.kept_answers import MAX_BYTES, MAX_FILES, KeptAnswers, kept_answers

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_"


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def strange(
    subject: str = "unreadable", body: bytes = b"<html>\xff</html>", reason: str = "no JSON"
) -> StrangeAnswer:
    return StrangeAnswer("/deal", subject, reason, body, 200)


def test_an_answer_is_kept_whole_and_says_what_it_is(tmp_path: Path) -> None:
    KeptAnswers(tmp_path, clock=Hands()).keep(strange())
    (kept,) = kept_answers(tmp_path)
    assert (kept.call, kept.reason, kept.at) == (
        "/deal",
        "no JSON",
        datetime(2026, 11, 30, 12, 0, tzinfo=UTC),
    )
    assert kept.path.read_bytes().partition(b"\n\n")[2] == b"<html>\xff</html>"
    assert b"status: 200\n" in kept.path.read_bytes()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        KeptAnswers(tmp_path).keep(strange())
    finally:
        os.umask(before)
    (kept,) = kept_answers(tmp_path)
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700


def test_the_newest_ten_stay_and_one_of_each_kind(tmp_path: Path) -> None:
    keeper = KeptAnswers(tmp_path)
    for number in range(MAX_FILES + 5):
        keeper.keep(strange(f"kind {number}", reason=f"reason {number}"))
        keeper.keep(strange("every minute", reason=f"for the {number}th time"))
    found = kept_answers(tmp_path)
    assert len(found) == MAX_FILES
    assert [kept.reason for kept in found[:3]] == ["for the 14th time", "reason 14", "reason 13"]
    assert len(list((tmp_path / "answers").iterdir())) == MAX_FILES, "no temporary file stays"


@pytest.mark.parametrize("part", [KEY, KEY[:8], KEY[20:31], KEY[-9:], f"{KEY[3:15]}{KEY[40:]}"])
def test_no_part_of_the_key_is_kept(tmp_path: Path, part: str) -> None:
    body = b"\xf0\x9f\x98\x80 before " + part.encode() + b" after ?key=other&x"
    redaction.learn(KEY)
    try:
        KeptAnswers(tmp_path).keep(strange(body=body, reason=f"with {part} in it"))
    finally:
        redaction.forget()
    (kept,) = kept_answers(tmp_path)
    text = kept.path.read_text(encoding="utf-8")
    assert not any(KEY[i : i + 8] in text for i in range(len(KEY) - 7))
    assert "😀 before [hidden]" in text
    assert " after ?key=[key]&x" in text


def test_a_long_answer_is_cut_and_says_so(tmp_path: Path) -> None:
    KeptAnswers(tmp_path).keep(strange(body=b"x" * (MAX_BYTES + 7)))
    (kept,) = kept_answers(tmp_path)
    assert f"cut: {MAX_BYTES + 7} bytes came" in kept.path.read_text()
    assert kept.path.stat().st_size < MAX_BYTES + 1000


def test_what_recurs_is_said_once_an_hour(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Hands()
    keeper = KeptAnswers(tmp_path, clock=clock)
    for _ in range(120):
        keeper.keep(strange())
        clock.sleep(60)
    assert caplog.text.count("kept for a bug report: answers/deal-") == 2


def test_a_folder_that_cannot_be_written_costs_the_copy_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "answers").write_text("a file is in the way")
    KeptAnswers(tmp_path).keep(strange())
    assert "is not kept" in caplog.text


def test_a_link_that_somebody_laid_is_not_followed(tmp_path: Path) -> None:
    keeper = KeptAnswers(tmp_path)
    keeper.keep(strange())
    (kept,) = kept_answers(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    kept.path.unlink()
    kept.path.symlink_to(victim)
    keeper.keep(strange())
    assert victim.read_text() == "mine"


def test_files_of_others_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "notes.txt").write_text("not ours")
    assert kept_answers(tmp_path) == ()
    assert kept_answers(tmp_path / "nowhere") == ()
