"""The OpenAPI description of answers: their media types, and the errors of every address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

__all__ = ["ERRORS", "answers_of", "description_of"]

HTML = "text/html"
JSON = "application/json"
ERRORS = {
    404: "The address names a record, store, neuron or figure that is not here.",
    422: "A value of the address cannot be used; the message says why.",
    429: "The limit on concurrent work is reached; repeat the request later.",
    500: "A record is damaged, or the work failed.",
    503: "The model takes longer than the explorer allows.",
}
"""HTTP status -> what it means."""
ERROR_SCHEMA = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
    "required": ["error", "message"],
}


def answers_of(*media_types: str, statuses: Iterable[int] = (200,)) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a FastAPI endpoint: what it gives, and the errors of every page.

    Args:
        media_types: what it answers with; none if it describes its result by ``response_model``.
        statuses: the statuses of success.
    """
    described: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {HTML: {}, JSON: {"schema": ERROR_SCHEMA}}}
        for status, text in ERRORS.items()
    }
    described[304] = {"description": "The browser has this page already, by its ETag."}
    if media_types:
        for status in statuses:
            described[status] = {"description": "Done.", "content": {name: {} for name in media_types}}
    return described


def description_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of an application, in which each number of an answer may be null.

    JSON has no infinity and no NaN; they become null.
    """
    if app.openapi_schema is None:
        described = FastAPI.openapi(app)
        _allow_null(described.get("components", {}).get("schemas", {}))
        app.openapi_schema = described
    return app.openapi_schema


def _allow_null(part: Any) -> None:
    """Let every number in a schema also be null."""
    if isinstance(part, dict):
        if part.get("type") == "number":
            part["type"] = ["number", "null"]
        part = part.values()
    if not isinstance(part, str | int | float | None):
        for value in part:
            _allow_null(value)
