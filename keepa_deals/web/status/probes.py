"""The probes for machines: is the process alive, is it worth sending readers to, and the metrics."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from keepa_deals.health import readiness
from keepa_deals.web.auth.guard import Reader, reader
from keepa_deals.web.services import current_services
from keepa_deals.web.status.metrics import exposition

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while the process answers; asks nothing of anybody else."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """200 when database and Redis answer and the deals are fresh; 503 with the reasons otherwise."""
    state = readiness(current_services().health.report())
    shown = {"ready": state.ready} if reader() is Reader.STRANGER else state.to_json()
    return jsonify(shown), 200 if state.ready else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """The state of the service in Prometheus' text format."""
    services = current_services()
    text, content_type = exposition(services.health.report(), services.column_cache.state())
    return Response(text, content_type=content_type)
