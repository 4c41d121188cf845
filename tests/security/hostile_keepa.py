"""Thirty kinds of answers that no Keepa should send, as a table of what becomes of each.

``python -m tests.security.hostile_keepa`` asks for each in a process of its own and prints the table for
``docs/security.md``, with the peak of that process's memory and the seconds until a call succeeds again;
``--memory KIND`` asks for one bomb and prints the peak of this process's memory.
"""

# ruff: noqa: E501  # a table has long rows
from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from keepa_deals.keepa.call_memory import LocalMemory
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.errors import KeepaError
from keepa_deals.kept_answers import KeptAnswers, kept_answers
from tests.support.servers.keepa import ENVELOPE, KEY, Answer, Keepa, cut_short, hang_up, product, reply

CPU_SECONDS = 10.0
DEAL = {"asin": "B000000001", "title": "T", "creationDate": 8_000_000, "lastUpdate": 8_000_000, "current": []}
ODD = "B000000002"


def page(*deals: object, **changes: Any) -> dict[str, Any]:
    return {**ENVELOPE, "deals": {"dr": list(deals)}, **changes}


def odd(**changes: Any) -> dict[str, Any]:
    return page(DEAL, {**DEAL, "asin": ODD, **changes})


def text(body: str | bytes, status: int = 200, **headers: str) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    return reply(status, data, headers={name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Case:
    """An answer to ``/deal`` (or ``/product``) and what must become of it; ``error`` "" is a page that is used."""

    name: str
    answer: Answer
    error: str = ""
    said: str = ""
    requests: int = 1
    kept: bool = False
    call: str = "deals"

    @staticmethod
    def echo_of_the_key(handler: BaseHTTPRequestHandler) -> None:
        """An answer that quotes the request's own address."""
        text(f"<html>{handler.path}</html>")(handler)


@dataclass
class Outcome:
    error: str = ""
    said: str = ""
    requests: int = 0
    retryable: bool = False
    kept: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0


UNREADABLE = {
    "error": "UnreadableAnswerError",
    "said": "without an account envelope",
    "requests": 3,
    "kept": True,
}
REJECTED = {"error": "RequestRejectedError", "said": "request rejected"}
LEFT_OUT = {"said": "1 read, 1 left out", "kept": True}
USED = {"said": "2 read, 0 left out"}
CASES = (
    Case("a sound page", reply(200, page(DEAL)), said="1 read, 0 left out"),
    Case("an empty body", text(""), **UNREADABLE),
    Case("HTML with 200", text("<html>hello</html>"), **UNREADABLE),
    Case("a list at the top", reply(200, [1, 2]), **UNREADABLE),
    Case("no envelope", reply(200, {"deals": {"dr": []}}), **UNREADABLE),
    Case("refillIn of 10^15", reply(200, page(DEAL, refillIn=10**15)), **UNREADABLE),
    Case("tokensLeft Infinity", reply(200, page(DEAL, tokensLeft=float("inf"))), **UNREADABLE),
    Case("half of the JSON", text(json.dumps(page(DEAL))[:-20]), **UNREADABLE),
    Case("nested 100,000 deep", text("[" * 100_000), **UNREADABLE),
    Case("packed as br", text(b"\x00\x01", Content_Encoding="br"), "UnreadableAnswerError", "packed as 'br'", 3),
    Case("a broken gzip", text(b"\x1f\x8b\x08junk", Content_Encoding="gzip"), "ServerTroubleError", "broke off", 3),
    Case("cut short", cut_short, "ServerTroubleError", "broke off", 3),
    Case("hung up", hang_up, "ServerTroubleError", "the connection broke", 3),
    Case("no HTTP", lambda h: h.wfile.write(b"SSH-2.0\r\n\r\n") and setattr(h, "close_connection", True),
         "ServerTroubleError", "the connection broke", 3),
    Case("a redirect", text("", 302, Location="http://127.0.0.1:9/x"), "ServerTroubleError", "302", 3),
    Case("502 in HTML", text("<html>", 502), "ServerTroubleError", "502, and not in Keepa's JSON", 3),
    Case("403 in HTML", text("<html>", 403), "ServerTroubleError", "403, and not in Keepa's JSON", 3),
    Case("418 in JSON", reply(418, ENVELOPE), **REJECTED),
    Case("200 with an error", reply(200, {**ENVELOPE, "error": {"type": "x"}}), **REJECTED),
    Case("an error that is a list", reply(200, {**ENVELOPE, "error": [1]}), **REJECTED),
    Case("deals null", reply(200, {**ENVELOPE, "deals": None}), **REJECTED, kept=True),
    Case("dr an object", reply(200, {**ENVELOPE, "deals": {"dr": {}}}), "MisshapenAnswerError", "dr is no list"),
    Case("1,000 deals", reply(200, page(*[DEAL] * 1000)), said="150 read, 0 left out"),
    Case("null among the deals", reply(200, page(DEAL, None)), **LEFT_OUT),
    Case("an ASIN that is none", reply(200, odd(asin="../../etc")), **LEFT_OUT),
    Case("a date beyond 64 bit", reply(200, odd(creationDate=10**30)), **LEFT_OUT),
    Case("a date of Infinity", reply(200, odd(lastUpdate=float("inf"))), **LEFT_OUT),
    Case("a number of 5,000 digits", text(json.dumps(odd(rootCat=777)).replace("777", "9" * 5000)), **USED),
    Case("objects for numbers", reply(200, odd(current=[{}, [], "x", True, None], avg={"a": 1}, rootCat=[])), **USED),
    Case("a title of NUL and half a pair", reply(200, odd(title="a\x00b\ud83d" * 100_000)), **USED),
    Case("a picture of a billion bytes", reply(200, odd(image=10**9)), **USED),
    Case("bytes that are no UTF-8", text(json.dumps(odd(title="Q")).encode().replace(b"Q", b"\xff\xfe")), **USED),
    Case("nothing but brackets", text(b"[" + b"[]," * 2_500_000 + b"[]]"), "AnswerTooLargeError", "of memory", 1, True),
    Case("products that were not asked for", reply(200, {**ENVELOPE, "products": [product("B00000000Z")]}),
         said="0 read, 2 left out", call="products"),
    Case("stats of letters", reply(200, {**ENVELOPE, "products": [product(ODD, stats={"current": "x"})]}),
         said="0 read, 2 left out", call="products", kept=True),
    Case("429 until the year 9999", text("", 429, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"),
         "OutOfTokensError", "429 out of tokens"),
    Case("a refused key", reply(400, {"error": {"type": "invalidParameter"}, "tokensLeft": 0, "refillIn": 0,
         "refillRate": 0, "tokensConsumed": 0}), "KeyRefusedError", "400 the key is refused"),
)  # fmt: skip


@contextmanager
def measured(log_dir: Path | None = None) -> Iterator[tuple[KeepaClient, Keepa]]:
    keepa = Keepa()
    client = KeepaClient(
        KEY, base_url=keepa.url, timeout=(2.0, 20.0), sleep=lambda _: None, memory=LocalMemory(),
        **({"on_strange": KeptAnswers(log_dir).keep} if log_dir else {}),
    )  # fmt: skip
    try:
        yield client, keepa
    finally:
        client.close()
        keepa.close()


def ask(case: Case, log_dir: Path) -> Outcome:
    """What became of one answer."""
    outcome = Outcome()
    with measured(log_dir) as (client, keepa):
        keepa.answers = [case.answer]
        began, cpu = time.monotonic(), time.process_time()
        try:
            outcome.said = call(client, case)
        except KeepaError as error:
            outcome.error, outcome.said, outcome.retryable = type(error).__name__, str(error), error.retryable
        outcome.seconds, outcome.cpu = time.monotonic() - began, time.process_time() - cpu
        outcome.requests = len(keepa.requests)
    outcome.kept = [kept.reason for kept in kept_answers(log_dir)]
    return outcome


def call(client: KeepaClient, case: Case) -> str:
    """Make the call that a case answers; what came of it in words."""
    if case.call == "deals":
        found = client.deals({}, 0)
        return f"{len(found.deals)} read, {found.unreadable} left out"
    batch = client.products(["B000000001", ODD])
    return f"{len(batch.products)} read, {len(batch.unreadable)} left out"


def gzip_bomb(handler: BaseHTTPRequestHandler) -> None:
    """600 MB of blanks in 600 kB."""
    packed = gzip.compress(b" " * (6 << 20), 9)
    handler.send_response_only(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(100 * len(packed)))
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(packed)
    except OSError:
        handler.close_connection = True


def packed(make: Callable[[], bytes]) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        text(gzip.compress(make(), 1), Content_Encoding="gzip")(handler)

    return answer


BOMBS: dict[str, Answer] = {
    "gzip": gzip_bomb,
    "lists": packed(lambda: b"[" + b"[]," * 20_000_000 + b"[]]"),
    "wide": packed(lambda: b'["' + b"x" * 60_000_000 + "\U0001f600".encode() + b'"]'),
}


def apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returns in a forked process, with ``peak_megabytes`` of its memory.

    Whoever serves stays in this process, so that the memory of the answer's making is not counted.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if not child:
        code = 1
        try:
            found = work()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            sender.send({**found, "peak_megabytes": peak})
            code = 0
        finally:
            os._exit(code)
    sender.close()
    found = receiver.recv()
    os.waitpid(child, 0)
    return dict(found)


def until_success(case: Case, keepa: Keepa) -> dict[str, Any]:
    """What is said of the answer, and the seconds from asking for it until a sound page can be had.

    They hold the pauses between the tries and what the error says to wait, which are counted and not waited
    for. Keepa is well again after the tries of the one call, which the next one then shows.
    """
    pauses: list[float] = []
    error, began = "", time.monotonic()
    with closing(KeepaClient(KEY, base_url=keepa.url, timeout=(2.0, 20.0), sleep=pauses.append)) as client:
        try:
            said = call(client, case)
        except KeepaError as raised:
            error, said = type(raised).__name__, str(raised)
            pauses.append(getattr(raised, "retry_after", 0.0))
    with closing(KeepaClient(KEY, base_url=keepa.url)) as client:
        assert call(client, CASES[0]) == CASES[0].said, "the next call goes well"
    return {"error": error, "said": said, "seconds": time.monotonic() - began + sum(pauses)}


def row(case: Case) -> str:
    """The table's line of a kind of answer."""
    keepa = Keepa()
    keepa.answers = [*[case.answer] * case.requests, CASES[0].answer]
    found = apart(lambda: until_success(case, keepa))
    keepa.close()
    said = found["said"].replace("|", "/")[:110]
    return (
        f"| {case.name} | {found['error'] or 'used'} | {case.requests} | {found['peak_megabytes']} MB "
        f"| {found['seconds']:.1f} s | {said} |"
    )


def peak_of(kind: str) -> dict[str, Any]:
    """The peak of the memory of the process that asks for a bomb, and the error that it gets."""
    keepa = Keepa()
    keepa.answers = [BOMBS[kind]]

    def ask_once() -> dict[str, Any]:
        with closing(KeepaClient(KEY, base_url=keepa.url, sleep=lambda _: None)) as client:
            try:
                client.deals({}, 0)
            except KeepaError as raised:
                return {"error": type(raised).__name__}
        return {"error": ""}

    found = apart(ask_once)
    keepa.close()
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--memory", choices=BOMBS)
    chosen = options.parse_args()
    if chosen.memory:
        print(json.dumps(peak_of(chosen.memory)))
        return
    print("| answer | becomes | asked | memory | success after | said |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in (*CASES, *(Case(f"a bomb: {name}", bomb) for name, bomb in BOMBS.items())):
        print(row(case), flush=True)


if __name__ == "__main__":
    main()
