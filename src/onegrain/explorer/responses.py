"""Responses of the explorer: pages with their policy and ETag, figures as files, errors as pages."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from onegrain.explorer.assets import asset
from onegrain.explorer.figures import Figure, VegaChart
from onegrain.explorer.rendering import figure_document, render_page
from onegrain.explorer.security import content_policy
from onegrain.explorer.state import Explorer

__all__ = [
    "ErrorPage",
    "error_response",
    "etag_of",
    "figure_response",
    "html_response",
    "is_unchanged",
    "json_response",
]

SCRIPTS = ("htmx.min.js", "hx-csp.min.js", "hx-sse.min.js", "explorer.js")
PICTURE_SCALE = 2.0


@dataclass(frozen=True)
class ErrorPage:
    """A page in place of one that cannot be shown.

    Attributes:
        title: the kind of error.
        message: what is wrong and what to try.
        status: the HTTP status.
    """

    title: str
    message: str
    status: int


def etag_of(explorer: Explorer, request: Request) -> str:
    """Return the ETag of a page that depends on the records and its address alone."""
    facts = [explorer.collection.version, request.url.path, request.url.query, _is_fragment(request)]
    digest = hmac.new(explorer.settings.salt, "\0".join(map(str, facts)).encode(), hashlib.sha256)
    return f'"{digest.hexdigest()[:32]}"'


def is_unchanged(request: Request, etag: str) -> bool:
    """Return True if the browser already has the page of an ETag."""
    known = request.headers.get("if-none-match", "")
    return etag in [part.strip().removeprefix("W/") for part in known.split(",")]


def html_response(
    explorer: Explorer,
    request: Request,
    template: str,
    context: Any,
    *,
    etag: str = "",
    status: int = 200,
    embedded: bool = False,
) -> Response:
    """Return a page or fragment with its security policy; one with an ETag may be kept by the browser.

    The nonce of a page with an ETag is made from it: a browser that gets 304 shows the page that it has under
    the headers of the new response, so both have to agree.
    """
    nonce = _nonce(explorer, etag)
    if etag and is_unchanged(request, etag):
        response = Response(status_code=304)
    else:
        response = HTMLResponse(render_page(template, context, nonce), status)
    scripts = [known.integrity for name in SCRIPTS if (known := asset(name)) is not None]
    response.headers["Content-Security-Policy"] = content_policy(nonce, scripts, embedded=embedded)
    _set_caching(response, etag)
    return response


def json_response(adapter: TypeAdapter[Any], context: Any, etag: str = "") -> Response:
    """Return a page as JSON; numbers that are not finite become null."""
    response = Response(adapter.dump_json(context), media_type="application/json")
    _set_caching(response, etag)
    return response


def figure_response(figure: Figure, form: str) -> Response:
    """Return a figure as a file: ``csv`` or ``json`` of its table, ``svg`` or ``png`` of its drawing."""
    name = f"{figure.name}.{form}"
    if form == "csv":
        response = Response(figure.table.csv(), media_type="text/csv; charset=utf-8")
    elif form == "json":
        response = Response(json.dumps(_as_data(figure)), media_type="application/json")
    elif form == "svg":
        response = Response(figure_document(figure), media_type="image/svg+xml")
    else:
        import vl_convert

        picture = vl_convert.svg_to_png(figure_document(figure), scale=PICTURE_SCALE)
        response = Response(picture, media_type="image/png")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _as_data(figure: Figure) -> Any:
    """Return a figure as plain data; a chart for Vega also as the specification that Vega itself reads."""
    data = TypeAdapter(Figure).dump_python(figure, mode="json")
    if isinstance(figure.drawing, VegaChart):
        data["drawing"]["vega"] = figure.drawing.vega
    return data


def error_response(explorer: Explorer, request: Request, title: str, message: str, status: int) -> Response:
    """Return an error as a page, or as JSON if JSON was asked for."""
    if request.url.path.endswith(".json") or "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": title, "message": message}, status)
    template = "error_fragment.html.j2" if _is_fragment(request) else "error.html.j2"
    return html_response(explorer, request, template, ErrorPage(title, message, status), status=status)


def _is_fragment(request: Request) -> bool:
    return request.headers.get("hx-request", "") == "true"


def _nonce(explorer: Explorer, etag: str) -> str:
    if not etag:
        return secrets.token_urlsafe(18)
    return hmac.new(explorer.settings.salt, f"nonce{etag}".encode(), hashlib.sha256).hexdigest()[:32]


def _set_caching(response: Response, etag: str) -> None:
    if etag:
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "HX-Request"
    else:
        response.headers["Cache-Control"] = "no-store"
