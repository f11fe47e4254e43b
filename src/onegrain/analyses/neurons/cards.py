"""Cards of neurons: what activations and rankings know of each, to keep and to give to others."""

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
    """Write down what is known of some neurons, in one pass over the activations.

    Args:
        activations: what the neurons did at every word.
        neurons: names ``site:unit`` or flat indices; the cards are in their order, one for each.
        rankings: name -> ranking, of neurons of the same model; may be of some sites only.
        n: how many words and how many contexts in each direction, see :func:`onegrain.analyses.top_words`.
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
    given = dict(rankings or {})
    for name, ranking in given.items():
        _require_of(ranking, name, activations)
    own = activations.provenance
    return NeuronCards(
        model=own.subject(),
        corpus=CorpusIdentity.of(activations.corpus),
        rankings={name: _source(ranking) for name, ranking in given.items()},
        cards=tuple(_card(found, given) for found in top_words(activations, chosen, n, min_count=min_count)),
        provenance=Provenance(
            stage="cards",
            model=own.subject(),
            corpus=CorpusIdentity.of(activations.corpus),
            sites=space.sites,
            parameters={"n": n, "min_count": min_count},
            inputs=(own,),
        ),
    )


def _require_of(ranking: Ranking, name: str, activations: Activations) -> None:
    """Refuse a ranking of another model, or of sites that are of another width here."""
    what = f"ranking {name!r}"
    ranking.provenance.require_same_model(what, activations.provenance, activations.describe())
    here = dict(zip(activations.space.sites, activations.space.widths, strict=True))
    for site, width in zip(ranking.space.sites, ranking.space.widths, strict=True):
        if here.get(site, width) != width:
            raise MismatchError(
                f"{what} has {width} neurons at {site!r}, and {activations.describe()} {here[site]}; rank "
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


def _card(found: NeuronWords, rankings: Mapping[str, Ranking]) -> NeuronCard:
    site, _, unit = found.name.rpartition(":")
    return NeuronCard(
        site=site,
        unit=int(unit),
        statistics=CardStatistics(
            words=found.counted,
            mean=found.mean,
            std=found.std,
            minimum=found.minimum,
            maximum=found.maximum,
            share_positive=found.share_positive,
            share_negative=found.share_negative,
            constant=found.std == 0,
        ),
        high=_direction(found, "high"),
        low=_direction(found, "low"),
        rankings={
            name: _place(ranking, ranking.space.index(site, int(unit)))
            for name, ranking in rankings.items()
            if site in ranking.space.sites
        },
    )


def _direction(found: NeuronWords, way: str) -> CardDirection:
    def rows(table: pd.DataFrame) -> list[dict]:
        return table[table["direction"] == way].drop(columns="direction").to_dict("records")

    return CardDirection(
        words=tuple(CardWord(**row) for row in rows(found.words)),
        contexts=tuple(CardContext(**row) for row in rows(found.occurrences)),
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
