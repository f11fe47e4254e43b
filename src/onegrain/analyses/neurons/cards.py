"""Cards of neurons: the statistics, words and ranks of each, in a record that can be kept and shared."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from onegrain.analyses.neurons.words import NeuronWords, require_neurons, top_words
from onegrain.errors import MismatchError
from onegrain.records.activations import Activations
from onegrain.records.cards import CardRanking, NeuronCards
from onegrain.records.neuron_card import (
    CardContext,
    CardDirection,
    CardPlace,
    CardStatistics,
    CardWord,
    NeuronCard,
)
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import Neurons

__all__ = ["neuron_cards"]


def neuron_cards(
    activations: Activations,
    neurons: Neurons,
    *,
    rankings: Mapping[str, Ranking] | None = None,
    n: int = 10,
    min_count: int = 1,
) -> NeuronCards:
    """Return the statistics, top words and ranks of some neurons, from one pass over the activations.

    Args:
        activations: activations of the neurons at every word.
        neurons: names ``site:unit`` or flat indices; one card for each, in this order.
        rankings: name -> ranking, of neurons of the same model, perhaps of some sites only.
        n: number of words, and of contexts, in each direction, see :func:`onegrain.analyses.top_words`.
        min_count: leave out rarer words (contexts are not affected).

    Raises:
        ParameterError: no such neuron, an impossible number, no word with an activation, or one that is not
            finite.
        MismatchError: a ranking is of another model, or of sites of other widths.

    >>> import onegrain
    >>> made = onegrain.planted(50)
    >>> noise = onegrain.rank("std", made.activations)
    >>> cards = neuron_cards(made.activations, noise.top(2), rankings={"std": noise})
    >>> [card.rankings["std"].rank for card in cards.cards]
    [1, 2]
    """
    space = activations.space
    chosen = list(dict.fromkeys(require_neurons(activations, neurons).tolist()))
    named = dict(rankings or {})
    for name, ranking in named.items():
        _require_of(ranking, name, activations)
    made_from = activations.provenance
    return NeuronCards(
        model=made_from.subject(),
        corpus=CorpusIdentity.of(activations.corpus),
        rankings={name: _source(ranking) for name, ranking in named.items()},
        cards=tuple(_card(words, named) for words in top_words(activations, chosen, n, min_count=min_count)),
        provenance=Provenance(
            stage="cards",
            model=made_from.subject(),
            corpus=CorpusIdentity.of(activations.corpus),
            sites=space.sites,
            parameters={"n": n, "min_count": min_count},
            inputs=(made_from,),
        ),
    )


def _require_of(ranking: Ranking, name: str, activations: Activations) -> None:
    """Raise MismatchError for a ranking of another model, or of sites with another number of neurons."""
    what = f"ranking {name!r}"
    ranking.provenance.require_same_model(what, activations.provenance, activations.describe())
    widths = dict(zip(activations.space.sites, activations.space.widths, strict=True))
    for site, width in zip(ranking.space.sites, ranking.space.widths, strict=True):
        if widths.get(site, width) != width:
            raise MismatchError(
                f"{what} has {width} neurons at {site!r}, and {activations.describe()} {widths[site]}; rank "
                "these activations"
            )


def _source(ranking: Ranking) -> CardRanking:
    return CardRanking(
        method=ranking.method,
        layer=ranking.layer,
        labels=ranking.labels,
        neurons=ranking.space.size,
        n_ranked=ranking.n_ranked,
        provenance=ranking.provenance,
    )


def _card(neuron: NeuronWords, rankings: Mapping[str, Ranking]) -> NeuronCard:
    site, _, unit = neuron.name.rpartition(":")
    return NeuronCard(
        site=site,
        unit=int(unit),
        statistics=CardStatistics(
            words=neuron.counted,
            mean=neuron.mean,
            std=neuron.std,
            minimum=neuron.minimum,
            maximum=neuron.maximum,
            share_positive=neuron.share_positive,
            share_negative=neuron.share_negative,
            constant=neuron.std == 0,
        ),
        high=_direction(neuron, "high"),
        low=_direction(neuron, "low"),
        rankings={
            name: _place(ranking, ranking.space.index(site, int(unit)))
            for name, ranking in rankings.items()
            if site in ranking.space.sites
        },
    )


def _direction(neuron: NeuronWords, way: str) -> CardDirection:
    def rows(table: pd.DataFrame) -> list[dict]:
        return table[table["direction"] == way].drop(columns="direction").to_dict("records")

    return CardDirection(
        words=tuple(CardWord(**row) for row in rows(neuron.words)),
        contexts=tuple(CardContext(**row) for row in rows(neuron.occurrences)),
    )


def _place(ranking: Ranking, neuron: int) -> CardPlace:
    rank = int(ranking.positions()[neuron]) + 1
    table = ranking.label_scores
    return CardPlace(
        rank=rank,
        ranked=rank <= ranking.n_ranked,
        score=_score(ranking.scores[neuron]),
        label_scores={}
        if table is None
        else {label: _score(scores[neuron]) for label, scores in zip(ranking.labels, table, strict=True)},
    )


def _score(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
