"""Addresses that strangers send: in headers, parameters and forms."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qs, urlsplit

MAX_FIELDS = 200
_NOTHING = SplitResult("", "", "", "", "")


def parts_of(address: str) -> SplitResult:
    """The parts of an address; all of them empty where it is none (``//℀``, ``http://[``)."""
    try:
        return urlsplit(address)
    except ValueError:
        return _NOTHING


def is_address(address: str) -> bool:
    """Whether the parts of the address can be told apart."""
    return bool(address) and parts_of(address) is not _NOTHING


def fields_of(query: str) -> dict[str, list[str]]:
    """The parameters of a query string; those beyond ``MAX_FIELDS`` make all of it nothing."""
    try:
        return parse_qs(query, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
