"""The relations of a neuron: its ranks, its partners in other models, and its cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from onegrain.explorer.addresses import PageQuery, changed, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.orders import Order, model_rankings, order_of, ranking_of
from onegrain.explorer.related import belongs, related
from onegrain.library import ACTIVATIONS
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["Membership", "NeuronRank", "Partner", "memberships", "neuron_ranks", "partners_of"]

MOST_PARTNERS = 3
MOST_MEMBERS = 30


@dataclass(frozen=True)
class NeuronRank:
    """The place of a neuron in one ranking.

    Attributes:
        ranking: the name of the ranking.
        title: the last part of it.
        method: the method.
        layer: the label layer; empty for an unsupervised method.
        rank: the place, from 1.
        neurons: number of neurons of the ranking.
        ranked: False if the method has no opinion about the neuron.
        score: None if the method has none.
        score_low, score_high: interval of the score; None if unknown.
        rank_low, rank_high: interval of the rank over draws of the sentences; None if unknown.
        q: corrected p-value of the score against its null; None if unknown.
        best_label: the label for which the neuron is placed best; empty without labels.
        best_rank: its rank in that label's order.
        address: the page of the neuron with this ranking chosen.
        page: the page of the ranking.
        chosen: True for the ranking of the page.
    """

    ranking: str
    title: str
    method: str
    layer: str
    rank: int
    neurons: int
    ranked: bool
    score: float | None
    score_low: float | None
    score_high: float | None
    rank_low: float | None
    rank_high: float | None
    q: float | None
    best_label: str
    best_rank: int | None
    address: str
    page: str
    chosen: bool


@dataclass(frozen=True)
class Partner:
    """A neuron of another model that behaves alike.

    Attributes:
        model: the store of the other model that was compared.
        neuron: ``site:unit`` in it.
        correlation: Pearson correlation over the words of both.
        ranking: the ranking that names the partner.
        address: the page of the partner; empty if its store is not here.
    """

    model: str
    neuron: str
    correlation: float
    ranking: str
    address: str


@dataclass(frozen=True)
class Membership:
    """The cluster of a neuron.

    Attributes:
        record: the name of the record of clusters.
        size: number of neurons in the cluster.
        mean_correlation: mean correlation with the others; None for a neuron alone.
        representative: the most central member.
        members: the others, as (neuron, address of its page), at most 30.
    """

    record: str
    size: int
    mean_correlation: float | None
    representative: str
    members: tuple[tuple[str, str], ...]


def neuron_ranks(
    collection: Collection, store: Entry, site: str, unit: int, width: int, query: PageQuery, chosen: str
) -> Iterator[NeuronRank]:
    """Yield the place of a neuron in every ranking of its model.

    Args:
        collection: the records.
        store: the store of the neuron, whose model counts.
        site: the site of the neuron.
        unit: its unit.
        width: number of units of the site.
        query: the state that links keep.
        chosen: the name of the ranking of the page; empty for none.
    """
    for entry in model_rankings(collection, store, site, width):
        order = order_of(collection, entry.name)
        ranking, index = order.ranking, order.ranking.space.index(site, unit)
        label, label_rank = _best_label(collection, ranking, entry, index)
        name = f"{site}:{unit}"
        yield NeuronRank(
            ranking=entry.name,
            title=entry.title,
            method=ranking.method,
            layer=ranking.layer or "",
            rank=int(order.places[index]) + 1,
            neurons=len(ranking),
            ranked=bool(order.places[index] < ranking.n_ranked),
            score=_number(ranking.scores[index]),
            score_low=_number(order.score_low[index]),
            score_high=_number(order.score_high[index]),
            rank_low=_number(order.low[index]),
            rank_high=_number(order.high[index]),
            q=_null_q(ranking, index),
            best_label=label,
            best_rank=label_rank,
            address=link("neuron", query, neuron=name, ranking=entry.name),
            page=link("rankings", query, ranking=entry.name, page=_page_of(order, index)),
            chosen=entry.name == chosen,
        )


def _page_of(order: Order, index: int, rows: int = 50) -> int | None:
    """Return the page of the ranking's rows with a neuron; None for the first, which is the default."""
    page = int(order.places[index]) // rows + 1
    return page if page > 1 else None


def _best_label(collection: Collection, ranking: Ranking, entry: Entry, index: int) -> tuple[str, int | None]:
    """Return the label for which a neuron is placed best, and its rank in that label's order."""
    scores = ranking.label_scores
    if scores is None or not ranking.labels:
        return "", None
    of_neuron = scores[:, index]
    above = np.where(np.isnan(of_neuron), len(ranking), (scores > of_neuron[:, None]).sum(axis=1))
    best = ranking.labels[int(np.argmin(above))]
    return best, int(order_of(collection, entry.name, best).places[index]) + 1


def _null_q(ranking: Ranking, index: int) -> float | None:
    values = (ranking.details.get("null") or {}).get("q")
    return None if values is None or values[index] is None else float(values[index])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def partners_of(
    collection: Collection, store: Entry, site: str, unit: int, width: int, query: PageQuery
) -> Iterator[Partner]:
    """Yield the partners of a neuron in other models, strongest first for each ranking that names any."""
    for entry in model_rankings(collection, store, site, width):
        ranking = ranking_of(collection, entry.name)
        listed = ranking.details.get("partners")
        if not listed or len(listed) != len(ranking.details.get("spaces", ())):
            continue
        index = ranking.space.index(site, unit)
        for number, of_model in enumerate(listed):
            space = NeuronSpace.from_json(ranking.details["spaces"][number])
            other = _store_compared(collection, ranking, number)
            pairs = zip(of_model["neuron"][index], of_model["correlation"][index], strict=True)
            for partner, correlation in list(pairs)[:MOST_PARTNERS]:
                if partner is None or partner < 0 or correlation is None:
                    continue
                name = space.name(int(partner))
                yield Partner(
                    model=_title(ranking, number) if other is None else other.title,
                    neuron=name,
                    correlation=float(correlation),
                    ranking=entry.title,
                    address=""
                    if other is None
                    else link("neuron", changed(query, store=other.name, pin=()), neuron=name),
                )


def _title(ranking: Ranking, number: int) -> str:
    """Return the name of the store or model of a ranking's other models, without its folder."""
    models = ranking.details.get("models", ())
    name = PurePath(str(models[number])).name if number < len(models) else f"model {number + 1}"
    return name.removesuffix(".zarr")


def _store_compared(collection: Collection, ranking: Ranking, number: int) -> Entry | None:
    """Return the store that a ranking compared with, by its provenance; None if it is not here."""
    inputs = ranking.provenance.inputs
    if number + 1 >= len(inputs):
        return None
    wanted = inputs[number + 1].model_dump_json()
    return next((entry for entry in collection.of_kind(ACTIVATIONS) if entry.digest == wanted), None)


def memberships(
    collection: Collection, store: Entry, site: str, unit: int, width: int, query: PageQuery
) -> Iterator[Membership]:
    """Yield the cluster of a neuron in every record of clusters of its model."""
    for entry, clusters in related(collection, store, "clusters"):
        space = clusters.space
        widths = dict(zip(space.sites, space.widths, strict=True))
        if widths.get(site) != width or not belongs(collection, entry, store):
            continue
        index = space.index(site, unit)
        place = int(clusters.neurons.searchsorted(index))
        if place == len(clusters.neurons) or clusters.neurons[place] != index:
            continue
        number = int(clusters.numbers[place])
        names = [space.name(int(other)) for other in clusters.members(number) if other != index]
        yield Membership(
            record=entry.name,
            size=len(names) + 1,
            mean_correlation=_number(clusters.mean_correlation[place]),
            representative=space.name(int(clusters.medoids[number])),
            members=tuple((name, link("neuron", query, neuron=name)) for name in names[:MOST_MEMBERS]),
        )
