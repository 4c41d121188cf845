"""Where a product is at Amazon and at Keepa, and its picture."""

from __future__ import annotations

import re

from keepa_deals.marketplaces import marketplace

IMAGE_HOST = "https://m.media-amazon.com"
_IMAGE_NAME = re.compile(r"[A-Za-z0-9+_%.,-]{1,120}")
_SIZED = re.compile(r"\.(?=[a-z]+$)")


def image_url(name: str | None, size: int | None = None) -> str | None:
    """The picture's address, in Amazon's scaled form when ``size`` pixels are given."""
    if not name or not _IMAGE_NAME.fullmatch(name):
        return None
    if size and "._" not in name:
        name = _SIZED.sub(f"._SL{size}_.", name)
    return f"{IMAGE_HOST}/images/I/{name}"


def amazon_url(domain_id: int, asin: str) -> str:
    return f"https://www.amazon.{marketplace(domain_id).tld}/dp/{asin}"


def keepa_url(domain_id: int, asin: str) -> str:
    return f"https://keepa.com/#!product/{domain_id}-{asin}"
