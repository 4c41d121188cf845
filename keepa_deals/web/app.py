"""The application factory: ``gunicorn 'keepa_deals.web.app:create_app()'``."""

from __future__ import annotations

from flask import Flask
from flask_compress import Compress

from keepa_deals import settings as settings_module
from keepa_deals.clock import Clock
from keepa_deals.settings import Settings
from keepa_deals.web import format as web_format
from keepa_deals.web import services
from keepa_deals.web.alerts import api as alerts_api
from keepa_deals.web.alerts import feed as alert_feed
from keepa_deals.web.alerts import views as alerts
from keepa_deals.web.api import views as api
from keepa_deals.web.auth import change_limits, csrf, guard, sessions
from keepa_deals.web.auth import views as access_pages
from keepa_deals.web.deals import (
    buying_list,
    detail_page,
    export,
    feed,
    hidden_rules,
    list_page,
    mark_api,
    mark_forms,
    polling,
    row_cache,
    saved_views,
    seller_terms,
    selling,
)
from keepa_deals.web.http import addresses, errors, headers, response_cache, static_files
from keepa_deals.web.searches import views as searches
from keepa_deals.web.status import actions, probes
from keepa_deals.web.status import page as status_page

PAGES = (
    *(list_page, detail_page, polling, saved_views, export, feed, buying_list, seller_terms, selling),
    *(mark_api, mark_forms, hidden_rules),
    *(status_page, actions, probes, api, access_pages),
    *(alerts, alerts_api, alert_feed, searches),
)
COMPRESSED = [
    *("text/html", "text/css", "text/csv", "text/plain", "text/javascript"),
    *("application/json", "application/atom+xml", "image/svg+xml"),
]


def create_app(settings: Settings | None = None, *, clock: Clock | None = None) -> Flask:
    """The dashboard of one deployment, by default the one that the environment describes."""
    settings = settings or settings_module.load()
    app = Flask("keepa_deals.web", static_url_path=static_files.address())
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
    sessions.configure(app, settings, app.extensions[services.EXTENSION].people.file)
    guard.configure(app)
    csrf.configure(app)
    change_limits.configure(app)
    # What is registered last sees an answer first: kept, then made conditional and headed, then compressed.
    Compress(app)
    headers.configure(app, settings)
    response_cache.configure(app, reader=guard.reader_key, form_token=csrf.csrf_token)


def _configure_templates(app: Flask) -> None:
    app.jinja_env.globals.update(web_format.template_helpers(), root=addresses.root)
    static_files.configure(app)
    row_cache.configure(app)


def _configure_errors(app: Flask) -> None:
    errors.configure(app)


def _configure_views(app: Flask) -> None:
    for views in PAGES:
        app.register_blueprint(views.blueprint)
