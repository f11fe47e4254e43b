"""Universal neurons: the words that move a neuron, beside those that move its partners in other models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import pandas as pd

from onegrain.analyses.neurons.words import DIRECTIONS, NeuronWords, require_neurons, top_words
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking
from onegrain.records.space import Neurons, NeuronSpace

__all__ = ["universality"]

COLUMNS = [
    "neuron",
    "score",
    "model",
    "partner",
    "correlation",
    "direction",
    "words",
    "partner_words",
    "shared",
]


def universality(
    ranking: Ranking,
    activations: Activations,
    others: Sequence[Activations],
    *,
    k: int = 10,
    neurons: Neurons | None = None,
    n: int = 10,
    min_count: int = 1,
) -> pd.DataFrame:
    """Return the top words of neurons beside those of their best partners, and the words they share.

    Args:
        ranking: by a method that names partners, such as ``maxcorr``.
        activations: activations that were ranked; sites that the ranking does not have are left out, here and
            in ``others``.
        others: the other models of the ranking, in its order.
        k: number of first neurons to look at, if ``neurons`` are not given.
        neurons: names ``site:unit``, or flat indices in the space of the ranking.
        n: top words in each direction; see :func:`~onegrain.analyses.neurons.words.top_words`.
        min_count: leave out rarer words.

    Returns:
        One row per neuron, other model and direction: ``neuron``, ``score``, ``model`` (the other),
        ``partner``, ``correlation``, ``direction`` of the neuron (``high`` or ``low``), its ``words``, the
        ``partner_words`` that move the partner likewise (in the other direction if the correlation is
        negative), and the ``shared`` ones of both; words as lists, strongest first. A neuron without a partner
        has no row.

    Raises:
        ParameterError: the ranking names no partners, or no such neurons.
        MismatchError: the activations are not those that the ranking was made from, in its order.
    """
    partners = ranking.details.get("partners")
    if not partners:
        raise ParameterError(f"a ranking by {ranking.method} names no partners; make one by maxcorr or mincorr")
    spaces = (ranking.space, *map(NeuronSpace.from_json, ranking.details["spaces"]))
    activations, *others = (
        _within(read, space) for read, space in zip_longest((activations, *others), spaces) if read is not None
    )
    _require_same(ranking, activations, others)
    first = ranking.order[: ranking.require_k(k)] if neurons is None else neurons
    chosen = require_neurons(activations, first).tolist()
    words = _words(activations, chosen, n, min_count)
    rows = []
    for other, of_model in zip(others, partners, strict=True):
        partner_of = {
            neuron: of_model["neuron"][neuron][0] for neuron in chosen if of_model["neuron"][neuron][0] >= 0
        }
        partner_words = _words(other, sorted(set(partner_of.values())), n, min_count)
        for neuron, partner in partner_of.items():
            correlation = of_model["correlation"][neuron][0]
            rows += [
                {
                    "neuron": words[neuron].name,
                    "score": float(ranking.scores[neuron]),
                    "model": other.describe(),
                    "partner": partner_words[partner].name,
                    "correlation": correlation,
                    **_shared(words[neuron], partner_words[partner], way, reverse=correlation < 0),
                }
                for way in DIRECTIONS
            ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    place = {activations.space.name(neuron): number for number, neuron in enumerate(chosen)}
    return frame.sort_values("neuron", key=lambda names: names.map(place), kind="stable", ignore_index=True)


def _within(activations: Activations, space: NeuronSpace | None) -> Activations:
    """Return the activations at the sites of a space, or unchanged if they lack one of its sites."""
    if space is None or not set(space.sites) <= set(activations.space.sites):
        return activations
    return activations.restrict(space.sites)


def _words(activations: Activations, neurons: Sequence[int], n: int, min_count: int) -> dict[int, NeuronWords]:
    if not neurons:
        return {}
    return {words.neuron: words for words in top_words(activations, neurons, n, min_count=min_count)}


def _shared(neuron: NeuronWords, partner: NeuronWords, way: str, *, reverse: bool) -> dict[str, object]:
    """Return the words of a neuron in one direction, those that move its partner likewise, and both's."""
    partner_way = DIRECTIONS[1 - DIRECTIONS.index(way)] if reverse else way
    words, partner_words = (
        side.words.loc[side.words["direction"] == direction, "word"].tolist()
        for side, direction in ((neuron, way), (partner, partner_way))
    )
    return {
        "direction": way,
        "words": words,
        "partner_words": partner_words,
        "shared": [word for word in words if word in partner_words],
    }


def _require_same(ranking: Ranking, activations: Activations, others: Sequence[Activations]) -> None:
    compared, made_from = (activations, *others), ranking.provenance.made_by("rank").inputs
    if len(compared) != len(made_from):
        raise MismatchError(
            f"the ranking compares {len(made_from)} models, but {len(compared)} were given; give the others in "
            f"the ranking's order: {', '.join(ranking.details['models'])}"
        )
    spaces = (ranking.space, *map(NeuronSpace.from_json, ranking.details["spaces"]))
    for model, known, space in zip(compared, made_from, spaces, strict=True):
        if model.space != space:
            raise MismatchError(
                f"{model.describe()} has other neurons than the ranking: sites {', '.join(model.space.sites)}, "
                f"not {', '.join(space.sites)}; restrict the sites"
            )
        if model.provenance != known:
            raise MismatchError(
                f"{model.describe()} is not what the ranking was made from in its place; give the others in "
                f"the ranking's order: {', '.join(ranking.details['models'])}"
            )
