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
        from keepa_deals.diagnosis.main import main
    except (ImportError, SyntaxError) as error:
        inside = Path(sys.prefix).resolve() == PYTHON.parent.parent.resolve()
        if PYTHON.exists() and not inside:
            os.execv(PYTHON, [str(PYTHON), str(Path(__file__).resolve()), *sys.argv[1:]])  # noqa: S606  # our own Python
        hint = "its environment is broken" if inside else "there is no .venv"
        print(f"could not look: {hint} ({error}); ./start_celery.sh makes it", file=sys.stderr)
        sys.exit(COULD_NOT_LOOK)
    main()


if __name__ == "__main__":
    run()
