"""The dashboard's own scripts and styles, under an address that changes with their content.

A browser may keep them for a year, and a page never meets the files of another version; the modules that a
script imports are found under the same address.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

from flask import Flask, url_for

FOLDER = Path(__file__).parent.parent / "static"
MAX_AGE = timedelta(days=365)


def address() -> str:
    """Where ``static/`` is served: ``/static/<version>``."""
    return f"/static/{_version(FOLDER)}"


def configure(app: Flask) -> None:
    """Give the templates ``asset(name)``, the address of a file of ``static/``."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = MAX_AGE
    app.jinja_env.globals["asset"] = lambda name: url_for("static", filename=name)


def _version(folder: Path) -> str:
    """Twelve hexadecimal digits that stand for the content of all files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
