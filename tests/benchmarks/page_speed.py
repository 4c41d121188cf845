"""How soon a page of the dashboard can be used, in Chromium, from the real server with the sandbox.

    .venv/bin/python -m tests.benchmarks.page_speed [--rounds 10]

Each load begins with an empty cache. *Interactive* is when the last of our scripts has registered what it
listens to: from then on keys and clicks do what they say. The peer is a static page of the same bytes: the
same HTML and styles from memory, without the scripts. The phone is 390 pixels wide and four times slower.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Response, sync_playwright

from tests.support.deployment import Service

DEVICES: dict[str, tuple[dict[str, Any], int]] = {
    "desk": ({"viewport": {"width": 1440, "height": 900}}, 1),
    "phone, 4x slower": (
        {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
        4,
    ),
}
SCRIPT = re.compile(r"<script[^>]*></script>")
ELSEWHERE = re.compile(r"^https?://(?!127\.0\.0\.1)")
TIMES = """async () => {
  await new Promise((painted) => new PerformanceObserver((list) => {
    if (list.getEntriesByName("first-contentful-paint").length) painted();
  }).observe({ type: "paint", buffered: true }));
  return {
    paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    parsed: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd,
    ready: performance.getEntriesByName("keepa_deals:ready")[0]?.startTime,
  };
}"""
Answer = tuple[str, bytes]


@contextmanager
def opened(browser: Browser, device: str) -> Iterator[Page]:
    """A page of a device with an empty cache, which lets nothing out of this machine."""
    options, slower = DEVICES[device]
    context = browser.new_context(**options)
    page = context.new_page()
    page.route(ELSEWHERE, lambda route: route.abort())
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    yield page
    context.close()


def load(browser: Browser, address: str, device: str) -> dict[str, float]:
    """The times of one load in ms since it began."""
    with opened(browser, device) as page:
        page.goto(address, wait_until="load")
        times: dict[str, float] = page.evaluate(TIMES)
        return times


class Peer(ThreadingHTTPServer):
    """Says nothing of a browser that was closed while it answered."""

    def handle_error(self, *_: object) -> None: ...


@contextmanager
def static(answers: dict[str, Answer]) -> Iterator[str]:
    """A server that returns these answers from memory, by path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, body = answers.get(self.path, ("text/plain", b""))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = Peer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def static_answers(browser: Browser, base: str, path: str) -> dict[str, Answer]:
    """The page and its styles; blanks stand where the scripts were, so that the bytes are as many."""
    context = browser.new_context()
    found: dict[str, Answer] = {}
    html = context.request.get(base + path).text()
    for file in re.findall(r'href="(/static/[^"]+)"', html):
        answer = context.request.get(base + file)
        found[file] = (answer.headers["content-type"], answer.body())
    bare = SCRIPT.sub(lambda match: " " * len(match[0]), html)
    found[path] = ("text/html; charset=utf-8", bare.encode())
    context.close()
    return found


def weigh(browser: Browser, base: str, path: str) -> None:
    """Print the bytes of a page without its pictures: as they are, and as they travel."""
    own: list[Response] = []
    with opened(browser, "desk") as page:
        page.on("response", lambda response: own.append(response))
        page.goto(base + path, wait_until="networkidle")
        bodies = [len(response.body()) for response in own if response.url.startswith(base)]
        wire = sum(r.request.sizes()["responseBodySize"] for r in own if r.url.startswith(base))
    html, whole = bodies[0] / 1000, sum(bodies) / 1000
    print(f"  {path[:34]:<34} {html:4.0f} kB HTML, {whole:4.0f} in all, {wire / 1000:4.0f} on the wire")


def compare(browser: Browser, base: str, path: str, device: str, rounds: int) -> None:
    """Print the medians of a page beside its static peer's, loaded in turns."""
    ours: list[dict[str, float]] = []
    peers: list[dict[str, float]] = []
    with static(static_answers(browser, base, path)) as peer:
        for _ in range(rounds + 1):
            ours.append(load(browser, base + path, device))
            peers.append(load(browser, peer + path, device))
    ours, peers = ours[1:], peers[1:]  # the first one warms both up

    def median(found: list[dict[str, float]], name: str) -> float:
        return statistics.median(times[name] for times in found)

    floor = median(peers, "parsed")
    print(
        f"  {path[:34]:<34} {device:<17} first paint {median(ours, 'paint'):5.0f}, parsed "
        f"{median(ours, 'parsed'):5.0f}, interactive {median(ours, 'ready'):5.0f} ms; static page parsed "
        f"{floor:5.0f}, painted {median(peers, 'paint'):5.0f}: {median(ours, 'ready') / floor:.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="keepa-deals-page-") as folder, sync_playwright() as playwright:
        service = Service(Path(folder) / "home", UPSERT_INTERVAL_SECONDS="60", KEEPA_TICK_SECONDS="60")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            service.start()
            service.wait_for(lambda s: s["jobs"]["backfill_deals"]["rows"] > 400, 120)
            deal = service.ask("/api/deals?sort=profit&limit=1")["deals"][0]["url"]
            for path in ("/", "/?limit=100", "/?limit=200", "/?layout=cards", deal, "/health"):
                weigh(browser, service.address, path)
            for path in ("/", "/?limit=200", "/?layout=cards", deal, "/health"):
                for device in DEVICES:
                    compare(browser, service.address, path, device, rounds)
        finally:
            browser.close()
            service.kill()


if __name__ == "__main__":
    main()
