"""What the usual channels get: a real mail server, and each service's documented protocol on a wire of ours.

ntfy and Gotify are asked on loopback; Telegram, Discord and Slack have fixed hosts, so what would be sent to
them is taken at the last step before the network. Sources: ntfy "Publish as JSON", Gotify's REST API,
Telegram Bot API "sendMessage" and "HTML style", Discord "Execute Webhook", Slack "Formatting text".
"""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope as Mail
from requests.adapters import HTTPAdapter

from keepa_deals.alerts import senders
from keepa_deals.alerts.courier import Courier, CourierSettings, Sent
from keepa_deals.alerts.evaluate import evaluate
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deployment.ports import free_port
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.secret_box import SecretBox
from tests.support.alerts import make_alert, make_channel
from tests.support.webhooks import Hooks, hooks
from tests.support.world import World, make_deal, make_world

EVIL = "<b>Bold</b> < @everyone <!channel> <@U123> [x](http://evil.example) *s* & \u202e\u0007 " + "y" * 2000
"""A title that would be markup, a link, or a call to everybody, and that is longer than a service takes."""


@dataclass
class Wire:
    """Takes the requests that would leave this machine, and says yes to each."""

    taken: list[requests.PreparedRequest] = field(default_factory=list)

    def send(self, _adapter: HTTPAdapter, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.taken.append(request)
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, str(request.url)
        response.raw = io.BytesIO(b'{"ok": true}' if "telegram" in str(request.url) else b"ok")
        return response

    def only(self) -> tuple[str, dict[str, Any]]:
        """The address and the JSON of the one request."""
        (request,) = self.taken
        assert request.body is not None
        return str(request.url), json.loads(request.body)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr(HTTPAdapter, "send", lambda self, request, **rest: wire.send(self, request, **rest))
    return wire


@pytest.fixture
def web() -> Iterator[Hooks]:
    with hooks() as server:
        yield server


@dataclass
class Mailbox:
    """A mail server's handler: keeps what comes."""

    mails: list[Mail] = field(default_factory=list)

    async def handle_DATA(self, _server: object, _session: object, mail: Mail) -> str:  # noqa: N802  # aiosmtpd's name
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(replace(make_deal("B000000001", created=world.clock.now()), title=EVIL))
    return world


Tell = Callable[[str], None]


@pytest.fixture
def tell(world: World, tmp_path: Path) -> Tell:
    """Sends a message about the one deal to an address; it must be taken."""
    return partial(_tell, world, SecretBox(tmp_path))


def _tell(world: World, box: SecretBox, address: str) -> None:
    with world.database.begin() as session:
        kind = address.partition("://")[0]
        number = make_channel(session, world.clock.now(), kind=kind, address=box.encrypt(address))
        make_alert(session, world.clock.now(), number)
    upsert.run(world.context)
    evaluate(world.database, AsOf(world.clock.now(), world.context.fresh_for), 1)
    known = CourierSettings("https://deals.example/", 1, world.context.fresh_for, world.context.fresh_for)
    sender = Courier(world.database, box, world.clock, known, senders.send)
    assert isinstance(sender.send_next(number), Sent)


class Tags(HTMLParser):
    """The tags that a text opens, in order; whether each is closed again; where its links lead; its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.is_balanced = not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in ("br", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_mail_is_read_by_a_mail_program(tell: Tell) -> None:
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        tell(
            f"mailto://127.0.0.1:{server.port}?from=deals@shop.example&to=you@home.example&mode=insecure",
        )
    finally:
        server.stop()
    (mail,) = box.mails
    assert mail.rcpt_tos == ["you@home.example"]
    assert isinstance(mail.content, bytes)
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    subject = str(message["Subject"])
    assert subject.startswith("New deal: <b>Bold</b> < @everyone"), (
        "a subject is text: nothing in it is escaped"
    )
    assert subject.endswith("– $15.00")
    assert not set(subject) & set("\u202e\u0007\n")
    body = message.get_body(("html",))
    assert body is not None
    html = Tags(body.get_content())
    assert html.is_balanced
    assert {"https://www.amazon.com/dp/B000000001", "https://deals.example/deals/1/B000000001"} <= {
        *html.links
    }
    assert any("/alerts/mute/" in link for link in html.links)
    assert not any("evil" in link for link in html.links)
    assert "$15.00, 90-day average $30.00" in html.words


def test_ntfy_gets_json_with_its_topic(tell: Tell, web: Hooks) -> None:
    tell(f"ntfy://127.0.0.1:{web.port}/deals")
    said = json.loads(web.wait_for(1)[0])
    assert said["topic"] == "deals"
    assert said["title"].startswith("New deal: <b>Bold</b>")
    assert "Amazon: https://www.amazon.com/dp/B000000001" in said["message"]
    assert "markdown" not in said
    assert "markdown" not in {name.removeprefix("x-") for name in web.taken[0][1]}


def test_gotify_gets_json_and_its_token_in_a_header(tell: Tell, web: Hooks) -> None:
    tell(f"gotify://127.0.0.1:{web.port}/AbCdEfGhIjKlMnO")
    said = json.loads(web.wait_for(1)[0])
    path, headers, _ = web.taken[0]
    assert (path, headers["x-gotify-key"]) == ("/message", "AbCdEfGhIjKlMnO")
    assert said["title"].startswith("New deal: <b>Bold</b>")
    assert "extras" not in said, "plain text, and no Markdown"
    assert "Details: https://deals.example/deals/1/B000000001" in said["message"]


def test_telegram_gets_html_that_it_can_read_and_a_title_that_is_text(tell: Tell, wire: Wire) -> None:
    tell("tgram://123456789:abcdefg_hijklmnop/12315544/")
    url, said = wire.only()
    assert url == "https://api.telegram.org/bot123456789:abcdefg_hijklmnop/sendMessage"
    assert (said["chat_id"], said["parse_mode"]) == (12315544, "HTML")
    html = Tags(said["text"])
    assert html.is_balanced, "Telegram refuses a message whose tags are not"
    assert {*html.opened} <= {"b", "a"}
    assert "New deal: <b>Bold</b> < @everyone <!channel>" in html.words
    assert {"https://www.amazon.com/dp/B000000001", "https://deals.example/deals/1/B000000001"} <= {
        *html.links
    }
    assert not any("evil" in link for link in html.links)
    assert len(html.words) <= 4096


def test_discord_gets_text_that_calls_nobody_and_hides_no_link(tell: Tell, wire: Wire) -> None:
    tell("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    url, said = wire.only()
    assert url == "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
    content = said["content"]
    assert len(content) <= 2000
    assert not re.search(r"@(everyone|here)|(?<!\\)<[@#]", content)
    assert not re.search(r"(?<!\\)\[[^\]]*(?<!\\)\]\(", content), "a link behind other words"
    assert r"\*s\*" in content
    assert "Details: https://deals.example/deals/1/B000000001" in content


def test_slack_gets_text_that_calls_nobody(tell: Tell, wire: Wire) -> None:
    tell("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/")
    url, said = wire.only()
    assert url == "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    (attachment,) = said["attachments"]
    assert attachment["title"].startswith("New deal: &lt;b&gt;Bold&lt;/b&gt; &lt; @everyone &lt;!channel&gt;")
    assert not re.search("[<>]", attachment["title"] + attachment["text"]), "<!channel> would call everybody"
    assert said["mrkdwn"] is False
