"""The addresses of the explorer: each page as HTML and JSON, each figure as a file and for embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter

from onegrain.explorer.addresses import address
from onegrain.explorer.assets import asset
from onegrain.explorer.described import answers_of
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.pages.page import PageKind
from onegrain.explorer.pages.registry import PAGES
from onegrain.explorer.responses import etag_of, figure_response, html_response, is_unchanged, json_response
from onegrain.explorer.state import Explorer

__all__ = ["page_router"]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Form = Literal["csv", "json", "svg", "png"]
MEDIA_TYPES = ("text/csv", "application/json", "image/svg+xml", "image/png")
FOREVER = "public, max-age=31536000, immutable"


def page_router(explorer: Explorer) -> APIRouter:
    """Return the router of all pages, figures and static files."""
    router = APIRouter()
    for kind in PAGES:
        _add_page(router, explorer, kind)
        _add_figures(router, explorer, kind)

    @router.get("/", include_in_schema=False)
    def first() -> Response:
        return RedirectResponse("/overview")

    @router.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        known = asset(name)
        if known is None:
            raise NotFoundError(f"no file is called {name!r}")
        return Response(known.content, media_type=known.media_type, headers={"Cache-Control": FOREVER})

    return router


def _asking(kind: PageKind) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator that says which query an endpoint takes, because that is known only at run time."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        endpoint.__annotations__["query"] = Annotated[kind.query, Query()]
        return endpoint

    return decorate


def _add_page(router: APIRouter, explorer: Explorer, kind: PageKind) -> None:
    adapter = TypeAdapter(kind.result)

    @router.get(f"/{kind.name}", name=kind.name, response_class=Response, responses=answers_of("text/html"))
    @_asking(kind)
    def page(request: Request, query: Any) -> Response:
        etag = etag_of(explorer, request) if kind.lasting else ""
        context = None if etag and is_unchanged(request, etag) else kind.build(explorer, query)
        response = html_response(explorer, request, f"{kind.name}.html.j2", context, etag=etag)
        if kind.shown_on and urlsplit(request.headers.get("hx-current-url", "")).path == f"/{kind.shown_on}":
            response.headers["HX-Replace-Url"] = address(kind.shown_on, query)
        return response

    @router.get(
        f"/{kind.name}.json",
        name=f"{kind.name} as JSON",
        response_model=kind.result,
        responses=answers_of(),
    )
    @_asking(kind)
    def data(request: Request, query: Any) -> Response:
        etag = etag_of(explorer, request) if kind.lasting else ""
        if etag and is_unchanged(request, etag):
            return Response(status_code=304, headers={"ETag": etag})
        return json_response(adapter, kind.build(explorer, query), etag)


def _add_figures(router: APIRouter, explorer: Explorer, kind: PageKind) -> None:
    @router.get(
        f"/{kind.name}/figure/{{figure}}.{{form}}",
        name=f"{kind.name}: a figure as a file",
        response_class=Response,
        responses=answers_of(*MEDIA_TYPES),
    )
    @_asking(kind)
    def file(figure: str, form: Form, query: Any) -> Response:
        shown = kind.build(explorer, query).figure(figure)
        if shown.drawing is None and form in ("svg", "png"):
            raise NotFoundError(f"the figure {figure} is a table; take it as csv or json")
        return figure_response(shown, form)

    @router.get(
        f"/{kind.name}/embed/{{figure}}",
        name=f"{kind.name}: a figure to embed",
        response_class=Response,
        responses=answers_of("text/html"),
    )
    @_asking(kind)
    def embed(request: Request, figure: str, query: Any) -> Response:
        shown = kind.build(explorer, query).figure(figure)
        return html_response(explorer, request, "embed.html.j2", shown, embedded=True)
