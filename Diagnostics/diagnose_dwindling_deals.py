#!/usr/bin/env python3
"""Says why deals are dwindling: python Diagnostics/diagnose_dwindling_deals.py [--help]

Works from any folder and with any Python 3: it goes on in the project's own environment.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
COULD_NOT_LOOK = 2


def run() -> None:
    """Run the diagnosis here if this Python can, else in ``.venv``; explain when neither works."""
    sys.path.insert(0, str(ROOT))
    try:
        from keepa_deals.diagnosis.cli import main
    except (ImportError, SyntaxError, OSError) as error:
        sys.exit(explain(error))
    main()


def explain(error: Exception) -> int:
    """Go on in ``.venv``, never to return; where that cannot be, say why, and return the exit code."""
    inside = Path(sys.prefix).resolve() == PYTHON.parent.parent.resolve()
    hint = "its environment is broken; ./start_celery.sh mends it"
    if not inside:
        try:
            os.execv(PYTHON, [str(PYTHON), str(Path(__file__).resolve()), *sys.argv[1:]])  # noqa: S606  # our own Python
        except FileNotFoundError:
            hint = "there is no .venv; ./start_celery.sh makes it"
        except OSError as refused:
            hint = f"{PYTHON}: {refused.strerror}; run this as the user who made .venv, or as root"
    print(f"could not look: {hint} ({error})", file=sys.stderr)
    return COULD_NOT_LOOK


if __name__ == "__main__":
    run()
