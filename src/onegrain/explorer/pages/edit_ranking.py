"""The first neurons of a ranking among those that are edited."""

from __future__ import annotations

from dataclasses import dataclass

from onegrain.explorer.addresses import address, changed, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.edit_query import EditQuery
from onegrain.explorer.edited_neurons import EditedNeurons, editable_rankings
from onegrain.explorer.orders import order_of, ranking_of
from onegrain.explorer.state import Explorer

__all__ = ["RankedNeurons", "ranked_neurons", "rankings_on_offer"]

MOST_LINKED = 50
"""Neurons whose names stand on the page, the first of the ranking."""


@dataclass(frozen=True)
class RankedNeurons:
    """The first neurons of a ranking, which are edited together.

    Attributes:
        name: of the order: that of the ranking, after the label if the order is that of one.
        label: the label whose own order it is; empty for the ranking's.
        labels: the labels on offer.
        count: number of neurons, without those that are pinned or named as well.
        most: largest number of first neurons that an edit may have here.
        neurons: names and addresses of the first of them.
        remove: this page without them.
    """

    name: str
    label: str
    labels: tuple[str, ...]
    count: int
    most: int
    neurons: tuple[tuple[str, str], ...]
    remove: str


def ranked_neurons(explorer: Explorer, neurons: EditedNeurons, query: EditQuery) -> RankedNeurons | None:
    """Return the part of an edit that a ranking names; None if the address names none."""
    if not query.ranking:
        return None
    ranking = ranking_of(explorer.collection, query.ranking)
    order = order_of(explorer.collection, query.ranking, query.ranking_label)
    return RankedNeurons(
        name=order.name,
        label=query.ranking_label,
        labels=ranking.labels if ranking.label_scores is not None else (),
        count=len(neurons.ranked),
        most=min(len(ranking), explorer.settings.most_neurons),
        neurons=tuple(
            (name, link("neuron", query, neuron=name, ranking=query.ranking, label=query.ranking_label))
            for name in neurons.ranked[:MOST_LINKED]
        ),
        remove=address("edit", changed(query, ranking="", ranking_label="", first=10)),
    )


def rankings_on_offer(collection: Collection, store: Entry) -> tuple[tuple[str, str], ...]:
    """Return the names and titles of the rankings whose first neurons can be edited."""
    return tuple((entry.name, entry.title) for entry, _ in editable_rankings(collection, store))
