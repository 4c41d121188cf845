"""Curves over hours as an SVG, one panel above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 860, 230, 56, 84, 62
COLOURS = ("#9aa0a6", "#c5221f", "#b06000", "#1967d2", "#137333")
DASHES = ("5 4", "", "", "", "")


@dataclass(frozen=True)
class Panel:
    """Curves by name: points of (hours, deals)."""

    title: str
    hours: float
    curves: Mapping[str, Sequence[tuple[float, int]]]


def draw(panels: Sequence[Panel]) -> str:
    """The SVG's text; the legend is that of the first panel."""
    total = TOP + len(panels) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 20} {total}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img">',
        "<title>Live deals over a day, by token rules</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *_legend(list(panels[0].curves)),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (HEIGHT + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        x, y = LEFT + (number % 2) * 430, 18 + (number // 2) * 20
        parts += [
            f'<path d="M{x} {y}h24" stroke="{COLOURS[number]}" stroke-width="2.5" '
            f'stroke-dasharray="{DASHES[number]}"/>',
            f'<text x="{x + 30}" y="{y + 4}" fill="#202124">{escape(name)}</text>',
        ]
    return parts


def _panel(panel: Panel, top: int) -> list[str]:
    most = max(live for curve in panel.curves.values() for _, live in curve)
    scale = -(-most // 100) * 100
    y = lambda live: top + 22 + (HEIGHT - 22) * (1 - live / scale)  # noqa: E731
    x = lambda hour: LEFT + WIDTH * hour / panel.hours  # noqa: E731
    parts = [f'<text x="{LEFT}" y="{top + 10}" fill="#202124" font-weight="600">{escape(panel.title)}</text>']
    for live in range(0, scale + 1, 100):
        parts += [
            f'<path d="M{LEFT} {y(live):.1f}h{WIDTH}" stroke="#e8eaed"/>',
            f'<text x="{LEFT - 8}" y="{y(live) + 4:.1f}" text-anchor="end" fill="#5f6368">{live}</text>',
        ]
    for hour in range(0, int(panel.hours) + 1, max(1, int(panel.hours) // 8)):
        parts.append(
            f'<text x="{x(hour):.1f}" y="{top + HEIGHT + 18}" text-anchor="middle" '
            f'fill="#5f6368">{hour} h</text>'
        )
    for number, curve in enumerate(panel.curves.values()):
        points = " ".join(
            f"{x(hour):.1f},{y(live):.1f}" for hour, live in curve[:: max(1, len(curve) // 480)]
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.8" '
            f'stroke-dasharray="{DASHES[number]}"/>'
        )
    return parts
