"""A Keepa that sends anything: what is said of each answer, and whether it is asked for again.

Each row runs against a real local server. ``python -m tests.security.hostile_keepa`` prints the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keepa_deals import redaction
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.errors import KeepaError, TimedOutError
from keepa_deals.kept_answers import KeptAnswers, kept_answers
from tests.security.hostile_keepa import CASES, CPU_SECONDS, Case, Outcome, ask, measured
from tests.support.paths import ROOT
from tests.support.servers.keepa import KEY, Keepa, trickle


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_answer_is_named_and_bounded(case: Case, tmp_path: Path) -> None:
    outcome = ask(case, tmp_path)
    assert isinstance(outcome, Outcome)
    assert outcome.error == case.error, outcome.said
    assert case.said in outcome.said
    assert outcome.requests == case.requests
    assert bool(outcome.kept) == case.kept, outcome.kept
    assert outcome.cpu < CPU_SECONDS
    assert KEY not in outcome.said


@pytest.mark.parametrize("bomb", ["gzip", "lists", "wide"])
def test_no_answer_takes_a_worker_beyond_300_megabytes(bomb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.hostile_keepa", "--memory", bomb],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["error"] == "AnswerTooLargeError"
    assert found["peak_megabytes"] < 300


def test_an_answer_that_trickles_ends_with_its_time_and_is_not_asked_for_again() -> None:
    keepa = Keepa()
    keepa.answers = [trickle(keepa, head=b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")]
    client = KeepaClient(KEY, base_url=keepa.url, whole_timeout=1.0, sleep=lambda _: None)
    began = time.monotonic()
    with pytest.raises(TimedOutError, match="no whole answer within 1 s"):
        client.deals({}, 0)
    assert time.monotonic() - began < 8
    assert len(keepa.requests) == 1
    client.close()
    keepa.close()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["status line", "header"])
def test_a_head_that_trickles_ends_with_its_time_as_well(head: bytes) -> None:
    keepa = Keepa()
    keepa.answers = [trickle(keepa, head=head)]
    client = KeepaClient(KEY, base_url=keepa.url, whole_timeout=1.0, sleep=lambda _: None)
    with pytest.raises(TimedOutError, match="no whole answer within 1 s"):
        client.token_status()
    client.close()
    keepa.close()


def test_a_body_without_a_length_that_is_cut_by_the_clock_is_no_answer() -> None:
    keepa = Keepa()
    keepa.answers = [trickle(keepa, head=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")]
    client = KeepaClient(KEY, base_url=keepa.url, whole_timeout=1.0, sleep=lambda _: None)
    with pytest.raises(TimedOutError):
        client.token_status()
    client.close()
    keepa.close()


def test_a_call_after_one_that_was_cut_goes_well(tmp_path: Path) -> None:
    hostile = next(case for case in CASES if case.name == "nothing but brackets")
    with measured() as client_and_server:
        client, keepa = client_and_server
        keepa.answers = [hostile.answer, hostile.answer, hostile.answer]
        with pytest.raises(KeepaError):
            client.deals({}, 0)
        keepa.answers = [CASES[0].answer]
        assert client.deals({}, 0).size == 1


def test_what_is_strange_is_kept_without_the_key(tmp_path: Path) -> None:
    redaction.learn(KEY)
    keeper = KeptAnswers(tmp_path)
    keepa = Keepa()
    keepa.answers = [lambda handler: Case.echo_of_the_key(handler)]
    client = KeepaClient(KEY, base_url=keepa.url, sleep=lambda _: None, on_strange=keeper.keep)
    with pytest.raises(KeepaError):
        client.token_status()
    (kept,) = kept_answers(tmp_path)
    assert KEY[:8] not in kept.path.read_text()
    client.close()
    keepa.close()
