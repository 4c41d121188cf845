"""Looks at a channel's address in a process of its own: Apprise's services take memory that a dashboard
would not give back.

``python -m keepa_deals.alerts.check`` reads an address and writes what it is as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys

from keepa_deals.alerts import addresses
from keepa_deals.alerts.addresses import Address, AddressError

TIMEOUT = 30.0


def look_at(address: str) -> Address:
    """What an address is; ``AddressError`` in Apprise's words when it is none."""
    address = address.strip()
    if address.lower().startswith(("http://", "https://")) or "://" not in address:
        return addresses.look_at(address)
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and code
            [sys.executable, "-m", __name__],
            input=address.encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise AddressError("Whether that is an address could not be found out: try again") from None
    if "problem" in answer:
        raise AddressError(answer["problem"])
    return Address(answer["kind"], answer["shown"])


def main() -> None:
    """Answer on standard output, whatever the plugin of the address does."""
    address = sys.stdin.buffer.read(addresses.MAX_ADDRESS * 4 + 4).decode("utf-8", "replace")
    try:
        known = addresses.look_at(address)
        answer = {"kind": known.kind, "shown": known.shown}
    except AddressError as error:
        answer = {"problem": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
