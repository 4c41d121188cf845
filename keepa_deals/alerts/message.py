"""What a message says: as text, as HTML, and as JSON for programs.

Titles come from strangers. In every form they are text: without control characters and the marks that turn
the direction of writing, and short.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepa_deals import formats
from keepa_deals.db.models import MessageKind
from keepa_deals.deals.links import amazon_url, image_url, keepa_url
from keepa_deals.deals.may_sell import SAID, answer_of, word_of
from keepa_deals.deals.money import money
from keepa_deals.humanize import age_text, iso
from keepa_deals.query.rows import DealRow

MAX_TITLE = 160
IMAGE_SIZE = 300
_TURNS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REASONS = {
    "found": "New deal",
    "returned": "Back again",
    "cheaper": "Cheaper",
    "price": "Price reached",
    "lowest": "Lowest price ever",
    "ended": "Ended",
    "back_in_stock": "Back in stock",
}
"""What happened, by trigger, in a message's first words."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where a message's links lead."""

    root: str
    """The dashboard, with a slash at the end."""
    view: str = ""
    """The alert's view, as a query string."""
    mute: str | None = None
    """The token of the link that mutes the alert."""

    def deal(self, row: DealRow) -> str:
        return f"{self.root}deals/{row.domain_id}/{row.asin}"

    @property
    def rest(self) -> str:
        return f"{self.root}?{self.view}" if self.view else self.root

    @property
    def mute_address(self) -> str | None:
        return f"{self.root}alerts/mute/{self.mute}" if self.mute else None


@dataclass(frozen=True, slots=True)
class Message:
    """A message in its three forms; ``title`` is text."""

    title: str
    text: str
    html: str
    json: dict[str, Any]


def clean(text: str, most: int = MAX_TITLE) -> str:
    """Somebody's text in one line of at most ``most`` characters, with nothing in it that acts."""
    words = " ".join("".join(map(_harmless, text)).split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def _harmless(character: str) -> str:
    if character in _TURNS:
        return ""
    return " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character


@dataclass(frozen=True, slots=True)
class Told:
    """A deal that a message is about, and what happened to it."""

    row: DealRow
    trigger: str

    @property
    def title(self) -> str:
        return clean(self.row.title) or f"Product {self.row.asin}"

    @property
    def price(self) -> str:
        return self._money(self.row.price)

    @property
    def reason(self) -> str:
        return _REASONS.get(self.trigger, "Deal")

    def facts(self, now: datetime) -> list[str]:
        """What speaks for it, in short lines; what is unknown is left out."""
        row = self.row
        percent = f" ({formats.MINUS}{row.delta_percent} %)" if (row.delta_percent or 0) > 0 else ""
        lines = [f"{self.price}, 90-day average {self._money(row.price_avg_90)}{percent}"]
        if row.profit is not None:
            lines.append(f"Profit {self._money(row.profit)}")
        answer = answer_of(row.may_sell)
        if answer is not None:
            lines.append(SAID[answer])
        if row.sales_rank is not None:
            lines.append(f"Sales rank {formats.write(row.sales_rank, formats.COUNT)}")
        seen = "Ended" if row.ended_at is not None else "Seen"
        lines.append(f"{seen} {age_text(row.ended_at or row.last_seen_at, now)}")
        return lines

    def to_json(self, links: Links) -> dict[str, Any]:
        row = self.row
        return {
            "domain_id": row.domain_id,
            "asin": row.asin,
            "event": self.trigger,
            "title": self.title,
            "price": row.price,
            "price_avg_90": row.price_avg_90,
            "delta_percent": row.delta_percent,
            "profit": row.profit,
            "sales_rank": row.sales_rank,
            "may_sell": word_of(row.may_sell),
            "last_seen_at": iso(row.last_seen_at),
            "image": image_url(row.image, IMAGE_SIZE),
            "url": links.deal(row),
            "amazon_url": amazon_url(row.domain_id, row.asin),
            "keepa_url": keepa_url(row.domain_id, row.asin),
        }

    def _money(self, amount: int | None) -> str:
        return formats.UNKNOWN if amount is None else money(amount, self.row.domain_id)


def of_deal(alert: str, told: Told, links: Links, now: datetime) -> Message:
    """A message about one deal."""
    title = f"{told.reason}: {told.title} – {told.price}"
    facts, row = told.facts(now), told.row
    places = [("Amazon", amazon_url(row.domain_id, row.asin)), ("Details", links.deal(row))]
    picture = image_url(row.image, IMAGE_SIZE)
    text = [*facts, "", *(f"{name}: {address}" for name, address in places), *_foot_text(alert, links)]
    parts = [
        _picture(picture, told),
        f"<p>{'<br>'.join(map(html.escape, facts))}</p>",
        f"<p>{' · '.join(_link(address, name) for name, address in places)}</p>",
        _foot_html(alert, links),
    ]
    return Message(title, "\n".join(text), "".join(parts), _json(MessageKind.DEAL, alert, [told], 1, links))


def of_digest(alert: str, best: Sequence[Told], count: int, links: Links, now: datetime) -> Message:
    """A message about many deals: the best of them, and a link to the rest."""
    title = f"{clean(alert)}: {formats.counted(count, 'deal')}"
    more = f"All of them: {links.rest}" if count > len(best) else f"The view: {links.rest}"
    lines = [
        f"• {told.title} – {told.price}\n  {', '.join(told.facts(now)[1:])}\n  {links.deal(told.row)}"
        for told in best
    ]
    items = [
        f"<li>{_link(links.deal(told.row), told.title)} – {html.escape(told.price)}<br>"
        f"{html.escape(', '.join(told.facts(now)[1:]))}</li>"
        for told in best
    ]
    text = [*lines, "", more, *_foot_text(alert, links)]
    parts = [
        f"<ul>{''.join(items)}</ul>",
        f"<p>{_link(links.rest, 'All of them' if count > len(best) else 'The view')}</p>",
        _foot_html(alert, links),
    ]
    return Message(
        title, "\n".join(text), "".join(parts), _json(MessageKind.DIGEST, alert, best, count, links)
    )


def of_words(kind: MessageKind, title: str, body: str, links: Links) -> Message:
    """A message that is not about deals."""
    lines = [clean(line, 1000) for line in body.splitlines()]
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines if line)
    content = {"kind": str(kind), "title": title, "text": "\n".join(lines), "url": links.root}
    return Message(title, "\n".join([*lines, "", links.root]), paragraphs, content)


def _json(kind: MessageKind, alert: str, deals: Sequence[Told], count: int, links: Links) -> dict[str, Any]:
    return {
        "kind": str(kind),
        "alert": alert,
        "count": count,
        "deals": [told.to_json(links) for told in deals],
        "view": links.rest,
        "mute": links.mute_address,
    }


def _foot_text(alert: str, links: Links) -> list[str]:
    mute = [f"Mute this alert: {links.mute_address}"] if links.mute_address else []
    return ["", f"Alert “{clean(alert)}”", *mute]


def _foot_html(alert: str, links: Links) -> str:
    mute = f" · {_link(links.mute_address, 'mute it')}" if links.mute_address else ""
    return f"<p><small>Alert “{html.escape(clean(alert))}”{mute}</small></p>"


def _picture(address: str | None, told: Told) -> str:
    if address is None:
        return ""
    return f'<p><img src="{html.escape(address)}" alt="{html.escape(told.title)}" width="150"></p>'


def _link(address: str, words: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(words)}</a>'
