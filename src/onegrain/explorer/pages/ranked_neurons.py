"""The rows of the page of rankings: one neuron each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from onegrain.analyses.neurons.edited import smallest_set
from onegrain.explorer.addresses import PageQuery, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.orders import EditCurve, Order

__all__ = ["NeuronLinks", "RankedNeuron", "ranked_neuron"]


@dataclass(frozen=True)
class RankedNeuron:
    """One row of the order.

    Attributes:
        rank: place in the order, from 1.
        neuron: ``site:unit``.
        site: the site.
        unit: the unit in it.
        ranked: False if the method has no opinion about it, so that its place is arbitrary.
        score: None if the method has none.
        score_low, score_high: interval of the score; None if unknown.
        rank_low, rank_high: interval of the rank; None if unknown.
        edited: number of first neurons in the smallest measured edit with this one; None without.
        damage: damage of that edit; None without.
        random: mean damage of as many random neurons; None if unknown.
        address: its page; empty if no store has it.
    """

    rank: int
    neuron: str
    site: str
    unit: int
    ranked: bool
    score: float | None
    score_low: float | None
    score_high: float | None
    rank_low: float | None
    rank_high: float | None
    edited: int | None
    damage: float | None
    random: float | None
    address: str


@dataclass(frozen=True)
class NeuronLinks:
    """Addresses of the pages of an order's neurons.

    Attributes:
        collection: the records.
        query: the state of the page that they stand on.
        entry, label: the ranking, and the label whose order it is; empty for its own.
        store: the store in which the neurons are looked at; None if no store has them.
    """

    collection: Collection
    query: PageQuery
    entry: Entry
    label: str
    store: Entry | None

    @cached_property
    def _sites(self) -> tuple[str, ...]:
        return () if self.store is None else self.collection.store(self.store.name).space.sites

    def to(self, neuron: str) -> str:
        """Return the address of a neuron's page; empty if no store has it."""
        if self.store is None or neuron.rpartition(":")[0] not in self._sites:
            return ""
        values = {"ranking": self.entry.name, "label": self.label, "store": self.store.name}
        return link("neuron", self.query, neuron=neuron, **values)


def ranked_neuron(order: Order, index: int, effect: EditCurve | None, links: NeuronLinks) -> RankedNeuron:
    """Return a neuron of an order as a row, with the smallest measured edit that holds it.

    Args:
        order: the order.
        index: flat index of the neuron in the ranking.
        effect: the curve in which the first neurons are edited; None without.
        links: addresses of the neurons' pages.
    """
    ranking, rank = order.ranking, int(order.places[index]) + 1
    site, unit = ranking.space.locate(index)
    row = None if effect is None else smallest_set(effect.table, rank)
    name = f"{site}:{unit}"
    return RankedNeuron(
        rank=rank,
        neuron=name,
        site=site,
        unit=unit,
        ranked=rank <= ranking.n_ranked,
        score=_known(ranking.scores[index]),
        score_low=_known(order.score_low[index]),
        score_high=_known(order.score_high[index]),
        rank_low=_known(order.low[index]),
        rank_high=_known(order.high[index]),
        edited=None if row is None else int(row["neurons"]),
        damage=None if row is None else _known(row["damage"]),
        random=None if row is None else _known(row["random"]),
        address=links.to(name),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
