"""Rankings that rank one neuron of each cluster of redundant neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.records.clusters import Clusters
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["without_redundant"]


def without_redundant(ranking: Ranking, clusters: Clusters) -> Ranking:
    """Return a ranking that ranks only the best ranked member of each cluster.

    Neurons that were not clustered stay ranked. The ranked neurons keep their order; all others follow in
    theirs, unranked and without scores (NaN), so that analyses by label leave them out too. Probe weights do
    not change.

    Args:
        ranking: a ranking over the same neuron space as ``clusters``.
        clusters: clusters of the same model's neurons, on any words.

    Returns:
        A ranking by the same method. ``details["redundant"]`` holds ``removed``, the flat indices that are no
        longer ranked, in their order; ``represented_by``, the neuron that represents each of them;
        ``clusters``, ``linkage``, ``threshold`` and ``signed``. All other details are copied from ``ranking``.

    Raises:
        MismatchError: the ranking is of other neurons than the clusters, or of another model's.

    >>> import onegrain
    >>> planted = onegrain.planted(200)
    >>> ranking = onegrain.rank("f-statistic", planted.activations, label="upos")
    >>> short = without_redundant(ranking, onegrain.clusters(planted.activations))
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
    made_from = ranking.provenance
    return replace(
        ranking,
        order=np.concatenate([ranking.order[stays], ranking.order[~stays]]),
        scores=_blanked(ranking.scores, removed),
        label_scores=None if ranking.label_scores is None else _blanked(ranking.label_scores, removed),
        n_ranked=int(stays.sum()),
        details={**ranking.details, "redundant": redundant},
        provenance=Provenance(
            stage="without-redundant",
            model=made_from.model,
            corpus=made_from.corpus,
            sites=made_from.sites,
            seed=made_from.seed,
            inputs=(made_from, clusters.provenance),
        ),
    )


def _blanked(scores: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """Return scores with NaN for some neurons, along the last axis."""
    blanked = scores.astype(np.float64)
    blanked[..., neurons] = np.nan
    return blanked
