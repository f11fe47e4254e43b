"""The web application: pages behind the gate, and errors as pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response

from onegrain.errors import InputError, OnegrainError, RecordError
from onegrain.explorer.collection import Collection
from onegrain.explorer.described import description_of
from onegrain.explorer.edit_routes import edit_router
from onegrain.explorer.errors import BusyError, NotFoundError, TimeLimitError
from onegrain.explorer.pages.registry import NAVIGATION
from onegrain.explorer.responses import error_response
from onegrain.explorer.routes import page_router
from onegrain.explorer.security import Gate
from onegrain.explorer.settings import Settings
from onegrain.explorer.state import Explorer
from onegrain.explorer.sweep_routes import sweep_router
from onegrain.records.provenance import package_version

__all__ = ["create_app"]

SMALLEST_COMPRESSED = 800
HTTP_ERRORS = {
    404: ("Not here", "No page has this address."),
    405: ("Not allowed", "This address cannot be asked in this way."),
}
"""HTTP status -> title and message of errors that the router finds."""


def create_app(collection: Collection, settings: Settings | None = None) -> FastAPI:
    """Return the application that shows a collection."""
    explorer = Explorer(collection, settings or Settings(), NAVIGATION)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        explorer.work.open()
        yield
        explorer.indexes.stop()
        await run_in_threadpool(explorer.work.stop)

    app = FastAPI(
        title="onegrain explorer",
        version=package_version(),
        description="Every page as HTML and, with .json behind its name, as data.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.work = explorer.work
    app.include_router(edit_router(explorer))
    app.include_router(sweep_router(explorer))
    app.include_router(page_router(explorer))
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED)
    app.add_middleware(Gate, settings=explorer.settings)
    _add_error_pages(app, explorer)
    app.openapi = partial(description_of, app)  # type: ignore[method-assign]
    return app


def _add_error_pages(app: FastAPI, explorer: Explorer) -> None:
    """Turn each error into a page or, where JSON is asked for, into JSON."""

    @app.exception_handler(NotFoundError)
    async def not_found(request: Request, error: NotFoundError) -> Response:
        return error_response(explorer, request, "Not here", str(error), 404)

    @app.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> Response:
        return error_response(explorer, request, "Busy", str(error), 429)

    @app.exception_handler(TimeLimitError)
    async def too_long(request: Request, error: TimeLimitError) -> Response:
        return error_response(explorer, request, "This takes too long", str(error), 503)

    @app.exception_handler(InputError)
    async def bad_input(request: Request, error: InputError) -> Response:
        return error_response(explorer, request, "This cannot be shown", str(error), 422)

    @app.exception_handler(RecordError)
    async def unreadable(request: Request, error: RecordError) -> Response:
        return error_response(explorer, request, "This record cannot be read", str(error), 500)

    @app.exception_handler(OnegrainError)
    async def failed(request: Request, error: OnegrainError) -> Response:
        return error_response(explorer, request, "This failed", str(error), 500)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        message = "Something went wrong here that should not; the server's log says what."
        return error_response(explorer, request, "This failed", message, 500)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        parts = [f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in error.errors()]
        return error_response(explorer, request, "This address is not understood", "; ".join(parts), 422)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        title, message = HTTP_ERRORS.get(error.status_code, ("This failed", str(error.detail)))
        answer = error_response(explorer, request, title, message, error.status_code)
        answer.headers.update(error.headers or {})
        return answer
