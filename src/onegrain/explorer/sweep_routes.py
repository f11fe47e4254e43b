"""Addresses that start, watch, stop, cancel and keep sweeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from onegrain.errors import ParameterError
from onegrain.explorer.described import answers_of
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.pages.sweep import sweep
from onegrain.explorer.rendering import render_page
from onegrain.explorer.state import Explorer
from onegrain.explorer.sweep_query import SweepQuery
from onegrain.explorer.sweeps import RunningSweep, keep_sweep, start_sweep
from onegrain.explorer.work import Job

__all__ = ["JobForm", "KeepForm", "sweep_router"]

SECONDS_BETWEEN = 0.5
"""Shortest time between two redrawings of a sweep that is watched."""
LONGEST_FORM = 100_000
FORM = "application/x-www-form-urlencoded"


class JobForm(BaseModel):
    """A form that names a sweep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: str = Field(max_length=40, description="The sweep.")


class KeepForm(JobForm):
    """A form that keeps a sweep as a record."""

    name: str = Field(
        max_length=80, description="Name of the record: letters, digits, dots, dashes, underscores."
    )


def sweep_router(explorer: Explorer) -> APIRouter:
    """Return the router of the page Sweep, besides the page itself."""
    router = APIRouter()

    @router.post("/sweep/start", name="start a sweep", status_code=303, **_taking(SweepQuery))
    async def start(request: Request) -> Response:
        query = await _read(request, SweepQuery)
        job = await run_in_threadpool(start_sweep, explorer, query.model_copy(update={"job": ""}))
        return _to(job)

    @router.post("/sweep/stop", name="stop a sweep and keep its points", status_code=303, **_taking(JobForm))
    async def stop(request: Request) -> Response:
        job, _ = _sweep_of(explorer, (await _read(request, JobForm)).job)
        job.cancel()
        return _to(job)

    @router.post("/sweep/cancel", name="cancel a sweep", status_code=303, **_taking(JobForm))
    async def cancel(request: Request) -> Response:
        job, running = _sweep_of(explorer, (await _read(request, JobForm)).job)
        job.cancel()
        await run_in_threadpool(running.discard)
        return _to(job)

    @router.post("/sweep/keep", name="keep a sweep as a record", status_code=303, **_taking(KeepForm))
    async def keep(request: Request) -> Response:
        form = await _read(request, KeepForm)
        job, running = _sweep_of(explorer, form.job)
        if not job.state.finished:
            raise ParameterError("stop the sweep first, or wait until it is done")
        await run_in_threadpool(keep_sweep, explorer, running, form.name)
        return _to(job)

    def watched(job: Annotated[str, Query(max_length=40)]) -> Job[Any]:
        return _sweep_of(explorer, job)[0]

    is_watched = Depends(watched)

    @router.get(
        "/sweep/events",
        name="events of a sweep",
        response_class=EventSourceResponse,
        responses=answers_of(),
    )
    async def events(job: Job[Any] = is_watched) -> AsyncIterator[ServerSentEvent]:
        seen = -1
        while explorer.work.is_open:
            changes, finished = job.changes, job.state.finished
            if changes != seen:
                seen = changes
                yield ServerSentEvent(raw_data=await run_in_threadpool(_shown, explorer, job))
            if finished:
                yield ServerSentEvent(event="done", raw_data=str(job.state))
                return
            await asyncio.sleep(SECONDS_BETWEEN)

    return router


def _shown(explorer: Explorer, job: Job[Any]) -> str:
    """Return the part of the page that shows how far a sweep is."""
    return render_page("sweep_state.html.j2", sweep(explorer, SweepQuery.model_validate({"job": job.id})), "")


def _sweep_of(explorer: Explorer, id: str) -> tuple[Job[Any], RunningSweep]:
    """Return a sweep by the id of its job.

    Raises:
        NotFoundError: no job has this id.
    """
    job = explorer.work.job(id)
    if not isinstance(job.about, RunningSweep):
        raise NotFoundError("this work is not a sweep")
    return job, job.about


def _to(job: Job[Any]) -> RedirectResponse:
    return RedirectResponse(f"/sweep?job={job.id}", 303)


async def _read(request: Request, kind: Any) -> Any:
    """Return the form of a request.

    Raises:
        RequestValidationError: a field is unknown, missing or refused.
        ParameterError: the form is too long, or is not text.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            raise ParameterError("this form is too long")
    try:
        values = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=200)
    except ValueError as error:
        raise ParameterError(f"this is not a form: {error}") from error
    fields = kind.model_fields
    single = {
        name: value[-1] if name in fields and not _repeats(fields[name]) else value
        for name, value in values.items()
    }
    try:
        return kind.model_validate(single)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error


def _repeats(field: Any) -> bool:
    return str(field.annotation).startswith("tuple")


def _taking(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the arguments of a route that takes a form: what the description says of it."""
    content = {FORM: {"schema": kind.model_json_schema()}}
    return {
        "responses": {**answers_of("text/html"), 303: {"description": "To the page of the sweep."}},
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
        "response_class": Response,
    }
