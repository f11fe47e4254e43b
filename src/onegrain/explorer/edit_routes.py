"""The address of an edit as a file, which ``onegrain steer`` takes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from onegrain.explorer.described import answers_of
from onegrain.explorer.edit_query import EditQuery
from onegrain.explorer.pages.edit_result import interventions_at
from onegrain.explorer.state import Explorer

__all__ = ["edit_router"]


def edit_router(explorer: Explorer) -> APIRouter:
    """Return the router of the page Edit, besides the page itself."""
    router = APIRouter()

    @router.get(
        "/edit/file",
        name="an edit as a file",
        response_class=Response,
        responses=answers_of("application/json"),
    )
    def file(query: Annotated[EditQuery, Query()]) -> Response:
        from onegrain.interventions.intervention import interventions_text

        content = interventions_text(interventions_at(explorer, query))
        return Response(
            content,
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="edit.json"', "Cache-Control": "no-store"},
        )

    return router
