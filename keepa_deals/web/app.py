"""The application factory: ``gunicorn 'keepa_deals.web.app:create_app()'``."""

from __future__ import annotations

from flask import Flask
from flask_compress import Compress

from keepa_deals import settings as settings_module
from keepa_deals.clock import Clock
from keepa_deals.settings import Settings
from keepa_deals.web import (
    answers,
    api,
    assets,
    changes,
    errors,
    export,
    feed,
    lines,
    live,
    operate,
    pages,
    present,
    probes,
    saved,
    security,
    services,
)
from keepa_deals.web.access import csrf, guard, sessions
from keepa_deals.web.access import pages as access_pages

COMPRESSED = [
    *("text/html", "text/css", "text/csv", "text/plain", "text/javascript"),
    *("application/json", "application/atom+xml", "image/svg+xml"),
]


def create_app(settings: Settings | None = None, *, clock: Clock | None = None) -> Flask:
    """The dashboard of one deployment, by default the one that the environment describes."""
    settings = settings or settings_module.load()
    app = Flask("keepa_deals.web", static_url_path=assets.address())
    _configure_app(app)
    _configure_services(app, settings, clock)
    _configure_security(app, settings)
    _configure_templates(app)
    _configure_errors(app)
    _configure_views(app)
    return app


def _configure_app(app: Flask) -> None:
    app.config.update(MAX_CONTENT_LENGTH=64 * 1024, COMPRESS_MIMETYPES=COMPRESSED)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def _configure_services(app: Flask, settings: Settings, clock: Clock | None) -> None:
    services.attach(app, services.build(settings, clock))


def _configure_security(app: Flask, settings: Settings) -> None:
    sessions.configure(app, settings, app.extensions[services.EXTENSION].credentials)
    guard.configure(app)
    csrf.configure(app)
    changes.configure(app)
    # What is registered last sees an answer first: kept, then made conditional and headed, then compressed.
    Compress(app)
    security.configure(app, settings)
    answers.configure(app)


def _configure_templates(app: Flask) -> None:
    app.jinja_env.globals.update(present.template_helpers())
    assets.configure(app)
    lines.configure(app)


def _configure_errors(app: Flask) -> None:
    errors.configure(app)


def _configure_views(app: Flask) -> None:
    for views in (pages, live, saved, operate, api, export, feed, probes, access_pages):
        app.register_blueprint(views.blueprint)
