"""``python -m keepa_deals``: the command line of the checkout that one stands in, whatever ``.venv`` says."""

from __future__ import annotations

from keepa_deals.cli import main

if __name__ == "__main__":
    main()
