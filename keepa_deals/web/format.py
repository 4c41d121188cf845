"""Numbers, moments and addresses as the pages write them. Texts stay plain: the templates escape them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from keepa_deals import formats
from keepa_deals.deals.links import IMAGE_HOST as IMAGE_HOST
from keepa_deals.deals.links import amazon_url as amazon_url
from keepa_deals.deals.links import image_url as image_url
from keepa_deals.deals.links import keepa_url as keepa_url
from keepa_deals.deals.money import symbol, whole


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with ``Z``, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the words of a person: ``just now``, ``3 min ago``, ``2 h ago``, ``5 d ago``.

    Counted from the whole second: pages carry no more of a moment, and their scripts go on counting.
    """
    return formats.age((now - moment.replace(microsecond=0)).total_seconds())


def signed(text: str, fallen: int) -> str:
    """``text`` (of a magnitude) with the sign of a price's movement: ``fallen`` positive is a minus."""
    return f"{formats.MINUS if fallen > 0 else '+' if fallen < 0 else ''}{text}"


def percent(basis_points: int | None) -> str:
    """Basis points as whole percent: ``35 %``."""
    return formats.write(basis_points, formats.PERCENT)


def percent_tenth(basis_points: int | None) -> str:
    """Basis points with a tenth of a percent: ``35.4 %``."""
    return formats.write(basis_points, formats.PERCENT_TENTHS)


def number(value: int | None) -> str:
    return formats.write(value, formats.COUNT)


def stars(value: int | None) -> str:
    return formats.write(value, formats.STARS)


def template_helpers() -> Mapping[str, Any]:
    """What the templates may call."""
    helpers = (formats.counted, percent, percent_tenth, number, stars, ago, iso, whole, currency_of)
    return {"formats": formats.rules, **{helper.__name__: helper for helper in helpers}}


def currency_of(domain_id: int) -> str:
    """The sign of the currency in which amounts of the domain are typed."""
    return symbol(domain_id)
