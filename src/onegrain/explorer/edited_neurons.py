"""The neurons of an edit: those that are pinned or named, and the first of a ranking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onegrain.errors import ParameterError
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.edit_query import EditQuery
from onegrain.explorer.orders import RANKING, order_of
from onegrain.explorer.related import belongs, related
from onegrain.explorer.state import Explorer
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["EditedNeurons", "editable_rankings", "edited_neurons"]


@dataclass(frozen=True)
class EditedNeurons:
    """The neurons of an edit, each as ``site:unit``.

    Attributes:
        named: those that are pinned or named, the pinned ones first; each has a slider.
        ranked: the first neurons of a ranking that are not among the named ones, in their order.
    """

    named: tuple[str, ...]
    ranked: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.named + self.ranked


def edited_neurons(explorer: Explorer, store: Entry, query: EditQuery) -> EditedNeurons:
    """Return the neurons of an edit, each once.

    Raises:
        NotFoundError: the address names a ranking or a label that is not here.
        ParameterError: the store does not have a neuron, the ranking is shorter or of another model, or there
            are too many neurons.
    """
    activations = explorer.collection.store(store.name)
    named = tuple(dict.fromkeys((*query.pin, *query.neuron)))
    for name in named:
        try:
            activations.space.parse(name)
        except (ValueError, KeyError) as error:
            raise ParameterError(f"this store has no neuron {name!r}; unpin it, or choose its store") from error
    first = _first(explorer, store, query) if query.ranking else ()
    neurons = EditedNeurons(named, tuple(name for name in first if name not in named))
    _require_few(explorer, len(neurons.names))
    return neurons


def editable_rankings(collection: Collection, store: Entry) -> Iterator[tuple[Entry, Ranking]]:
    """Yield the rankings of a store's model whose neurons are all in the store, in the order of their names."""
    space = collection.store(store.name).space
    for entry, ranking in related(collection, store, RANKING):
        if _sites(ranking.space) <= _sites(space) and belongs(collection, entry, store):
            yield entry, ranking


def _first(explorer: Explorer, store: Entry, query: EditQuery) -> tuple[str, ...]:
    """Return the first neurons of the ranking of an address."""
    collection = explorer.collection
    order = order_of(collection, query.ranking, query.ranking_label)
    if not any(entry.name == query.ranking for entry, _ in editable_rankings(collection, store)):
        raise ParameterError(
            f"the store {store.name} lacks neurons of the ranking {query.ranking}; choose a store of its model "
            "with all of its sites"
        )
    _require_few(explorer, query.first)
    if query.first > len(order.ranking):
        raise ParameterError(f"the ranking {query.ranking} has {len(order.ranking)} neurons, not {query.first}")
    return tuple(order.ranking.top(query.first))


def _require_few(explorer: Explorer, count: int) -> None:
    most = explorer.settings.most_neurons
    if count > most:
        raise ParameterError(f"an edit may have up to {most:,} neurons, and this has {count:,}")


def _sites(space: NeuronSpace) -> set[tuple[str, int]]:
    return set(zip(space.sites, space.widths, strict=True))
