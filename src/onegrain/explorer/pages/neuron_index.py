"""The progress of a store's index: a fragment that asks again until a neuron's page can show everything."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from onegrain.explorer.addresses import LONGEST_NAME, PageQuery, address
from onegrain.explorer.figures import Figure
from onegrain.explorer.indexes import IndexState
from onegrain.explorer.pages.page import Page, Shell, chosen_store, shell_of
from onegrain.explorer.state import Explorer

__all__ = ["NeuronIndexPage", "NeuronIndexQuery", "neuron_index_state"]


class NeuronIndexQuery(PageQuery):
    """The state of the fragment: the store, and the page that waits."""

    back: str = Field("", max_length=10 * LONGEST_NAME, description="State of the page that waits, as a query.")


@dataclass(frozen=True)
class NeuronIndexPage(Page):
    """The progress of an index.

    Attributes:
        store: the store.
        state: how far its index is.
        percent: the share that is done, in per cent.
        again: the address of this fragment.
        page: the page that waits.
    """

    query: NeuronIndexQuery
    shell: Shell
    figures: tuple[Figure, ...]
    store: str
    state: IndexState
    percent: int
    again: str
    page: str


def neuron_index_state(explorer: Explorer, query: NeuronIndexQuery) -> NeuronIndexPage:
    """Return how far the index of the store of a state is.

    Raises:
        NotFoundError: no store has this name.
    """
    store = chosen_store(explorer.collection, query)
    state = explorer.indexes.state(store)
    if not state.failure:
        known = explorer.indexes.neuron(explorer.collection, store, 0)
        state = known if isinstance(known, IndexState) else IndexState(1, 1, is_finished=True)
    return NeuronIndexPage(
        title="Index",
        query=query,
        shell=shell_of(explorer, "neuron_index", query),
        figures=(),
        store=store.title,
        state=state,
        percent=state.percent,
        again=address("neuron_index", query),
        page=f"/neuron?{query.back}",
    )
