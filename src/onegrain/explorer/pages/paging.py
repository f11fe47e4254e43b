"""Pages of a long list, each with an address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onegrain.explorer.addresses import PageQuery, address, changed
from onegrain.explorer.errors import NotFoundError

__all__ = ["Paging", "paging"]


@dataclass(frozen=True)
class Paging:
    """One page of a list, and the way to others.

    Attributes:
        start, stop: the rows ``start:stop`` of the list.
        total: number of all rows.
        page, pages: the number of this page, from 1, and of all pages.
        first, previous, next, last: addresses; empty where they lead nowhere.
    """

    start: int
    stop: int
    total: int
    page: int
    pages: int
    first: str
    previous: str
    next: str
    last: str


def paging(name: str, query: PageQuery, total: int, rows: int, page: int, **values: Any) -> Paging:
    """Return one page of a list.

    Args:
        name: the page's name in addresses.
        query: its state, with a field ``page``.
        total: number of all rows.
        rows: rows a page.
        page: the page, from 1.
        values: other fields of the state that change on the way to another page.

    Raises:
        NotFoundError: the list has fewer pages.
    """
    pages = max(1, -(-total // rows))
    if page > pages:
        raise NotFoundError(f"there are {pages:,} pages here, and no page {page:,}")
    fields = type(query).model_fields
    cleared = {"sentence": None} if "sentence" in fields else {}

    def at(number: int) -> str:
        return address(name, changed(query, **{**cleared, **values, "page": number}))

    return Paging(
        start=(page - 1) * rows,
        stop=min(total, page * rows),
        total=total,
        page=page,
        pages=pages,
        first=at(1) if page > 2 else "",
        previous=at(page - 1) if page > 1 else "",
        next=at(page + 1) if page < pages else "",
        last=at(pages) if page < pages - 1 else "",
    )
