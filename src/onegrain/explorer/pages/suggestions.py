"""Neurons to begin with: the first of the rankings of a store's model."""

from __future__ import annotations

from dataclasses import dataclass

from onegrain.errors import OnegrainError
from onegrain.explorer.addresses import PageQuery, address, changed
from onegrain.explorer.collection import Entry
from onegrain.explorer.state import Explorer

__all__ = ["Suggestion", "suggested_neurons"]

MOST_RANKINGS = 6
EACH = 3


@dataclass(frozen=True)
class Suggestion:
    """A neuron to pin: its name, why, and the address of the page with it pinned."""

    neuron: str
    reason: str
    address: str


def suggested_neurons(explorer: Explorer, store: Entry, page: str, query: PageQuery) -> tuple[Suggestion, ...]:
    """Return the first neurons of the rankings of a store's model; without rankings, those of the store."""
    names = explorer.collection.derived(f"suggested neurons of {store.name}", lambda: _neurons(explorer, store))
    return tuple(
        Suggestion(neuron, reason, address(page, changed(query, pin=(neuron,)))) for neuron, reason in names
    )


def _neurons(explorer: Explorer, store: Entry) -> list[tuple[str, str]]:
    space = explorer.collection.store(store.name).space
    names: dict[str, str] = {}
    for entry in explorer.collection.about(store.weights, "ranking")[:MOST_RANKINGS] if store.weights else ():
        try:
            ranking = explorer.collection.record(entry.name, "ranking")
        except OnegrainError:
            continue  # the page of the ranking says what is wrong with it
        for index in ranking.order[: min(EACH, ranking.n_ranked)].tolist():
            name = ranking.space.name(index)
            if name.rpartition(":")[0] in space.sites:
                names.setdefault(name, f"first in {entry.title}")
    if not names:
        names = {space.name(index): "of this store" for index in range(min(EACH, space.size))}
    return list(names.items())
