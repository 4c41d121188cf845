"""``python -m keepa_deals.sandbox``: the sandbox's command on its own."""

from keepa_deals.sandbox.cli import sandbox

sandbox()
