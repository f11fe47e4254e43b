"""Rankings in which each cluster of redundant neurons is ranked once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.records.clusters import Clusters
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["without_redundant"]


def without_redundant(ranking: Ranking, clusters: Clusters) -> Ranking:
    """A ranking that ranks of each cluster only its best ranked member.

    Neurons that were not clustered stand for themselves. The neurons that are ranked still keep their order;
    behind them come all others, in the order that they had, unranked and without scores (NaN), so that analyses
    by label leave them out too. Probe weights stay those of the ranking.

    Args:
        ranking: of the neurons of the clusters' space.
        clusters: of any words of the same model.

    Returns:
        A ranking by the same method. ``details["redundant"]`` says what was done: ``removed``, the flat indices
        that were ranked and are not any more, in their order; ``represented_by``, for each of them the neuron
        that stands for it; ``clusters``, ``linkage``, ``threshold`` and ``signed``. All other details are those
        of the ranking that was given.

    Raises:
        MismatchError: the ranking is of other neurons than the clusters, or of another model's.

    >>> import onegrain
    >>> made = onegrain.planted(200)
    >>> ranking = onegrain.rank("f-statistic", made.activations, label="upos")
    >>> short = without_redundant(ranking, onegrain.clusters(made.activations))
    >>> ranking.n_ranked - short.n_ranked
    2
    """
    best = np.arange(ranking.space.size)
    best[clusters.neurons] = clusters.representatives(ranking)[clusters.numbers]
    stays = best[ranking.order] == ranking.order
    stays[ranking.n_ranked :] = False
    removed = ranking.order[: ranking.n_ranked][~stays[: ranking.n_ranked]]
    redundant = {
        "removed": removed.tolist(),
        "represented_by": best[removed].tolist(),
        "clusters": len(clusters),
        "linkage": clusters.linkage,
        "threshold": clusters.threshold,
        "signed": clusters.signed,
    }
    own = ranking.provenance
    return replace(
        ranking,
        order=np.concatenate([ranking.order[stays], ranking.order[~stays]]),
        scores=_blanked(ranking.scores, removed),
        label_scores=None if ranking.label_scores is None else _blanked(ranking.label_scores, removed),
        n_ranked=int(stays.sum()),
        details={**ranking.details, "redundant": redundant},
        provenance=Provenance(
            stage="without-redundant",
            model=own.model,
            corpus=own.corpus,
            sites=own.sites,
            seed=own.seed,
            inputs=(own, clusters.provenance),
        ),
    )


def _blanked(scores: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """The scores with NaN for some neurons, along the last axis."""
    made = scores.astype(np.float64)
    made[..., neurons] = np.nan
    return made
