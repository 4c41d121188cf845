"""Every error as a page for people or as JSON for programs; none of them shows what only a log may hold."""

from __future__ import annotations

from flask import Flask, Response, jsonify, make_response, render_template, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from keepa_deals.db.errors import StoreError
from keepa_deals.query.parameters import ParameterError
from keepa_deals.web.http.throttle import ThrottledError

_WORDS = {
    400: "That address is not quite right",
    401: "Please log in",
    403: "Not allowed",
    404: "There is nothing here",
    405: "That can't be done here",
    413: "That is too much at once",
    429: "Too many tries",
    500: "Something broke on our side",
    503: "Not at the moment",
}
DATABASE_TROUBLE = (
    "The database does not answer. Nothing is lost: this page works again as soon as it does. "
    "'keepa-deals status' says more."
)


def configure(app: Flask) -> None:
    app.register_error_handler(ParameterError, _parameter)
    app.register_error_handler(SQLAlchemyError, _database)
    app.register_error_handler(StoreError, _database)
    app.register_error_handler(ThrottledError, _throttled)
    app.register_error_handler(HTTPException, _http)


def wants_json() -> bool:
    """Whether the answer goes to a program: the API's, the probes' and the feeds' addresses."""
    return request.path.startswith(("/api/", "/healthz", "/readyz", "/live", "/metrics", "/feed."))


def answer(status: int, text: str, *, parameter: str | None = None) -> Response:
    """The error answer of ``status`` in the form that the reader wants."""
    if wants_json():
        problem = {"status": status, "message": text}
        body = {"error": problem | ({"parameter": parameter} if parameter else {})}
        response = jsonify(body)
    else:
        page = render_template(
            "layouts/error.html", status=status, headline=_WORDS.get(status, "That did not work"), text=text
        )
        response = make_response(page)
    response.status_code = status
    return response


def _parameter(error: ParameterError) -> Response:
    return answer(400, str(error), parameter=error.name)


def _database(error: SQLAlchemyError | StoreError) -> Response:
    from flask import current_app

    current_app.logger.error("database: %s", type(error).__name__)
    response = answer(503, DATABASE_TROUBLE)
    response.headers["Retry-After"] = "5"
    return response


def _throttled(error: ThrottledError) -> Response:
    response = answer(429, str(error))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or 300 <= status < 400:
        return make_response(error.get_response())
    response = answer(status, error.description or "")
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response
