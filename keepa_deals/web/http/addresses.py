"""The dashboard's own address, and those that strangers send in headers, parameters and forms."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from flask import request

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


def root() -> str:
    """Where the reader of the present request has the dashboard: ``/prefix``, or empty without one."""
    return request.script_root
