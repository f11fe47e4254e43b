"""The layers (sites) that hold more or fewer of the top neurons than chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from onegrain.analyses.questions.topsets import default_k, top_sets
from onegrain.core.bootstrap import adjusted_p_values
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["corrected", "layers", "layers_by_label"]


def layers(ranking: Ranking, top: int | None = None) -> pd.DataFrame:
    """Count the first ``top`` neurons of a ranking in every site, beside what chance gives.

    Args:
        ranking: any ranking.
        top: neurons to look at, default the larger of 10 and 1 %; unranked neurons are never counted.

    Returns:
        One row per site, in site order: ``site``, ``width``, ``count`` (of the top neurons), ``share`` (of
        them), ``width_share`` (of all neurons: what chance gives), ``enrichment`` (share / width_share),
        ``p`` (the chance that a random set of the same size has at least as many there; hypergeometric), ``q``
        (p after Benjamini-Hochberg, over all rows of the table).

    Raises:
        ParameterError: ``top`` is outside 1..neurons.
    """
    k = default_k(ranking.space.size) if top is None else ranking.require_k(top)
    return corrected(_spread(ranking.space, ranking.order[: min(k, ranking.n_ranked)]))


def layers_by_label(ranking: Ranking, top: int | None = None) -> pd.DataFrame:
    """Return :func:`layers` of each label's own top set: its columns after ``label``; q is over all rows.

    Raises:
        LabelError: the ranking has no labels.
        ParameterError: ``top`` is outside 1..neurons.
    """
    parts = []
    for label, chosen in zip(ranking.labels, top_sets(ranking, top), strict=True):
        part = _spread(ranking.space, chosen)
        part.insert(0, "label", label)
        parts.append(part)
    return corrected(pd.concat(parts, ignore_index=True))


def corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a column ``q``: its p-values, corrected together."""
    return table.assign(q=adjusted_p_values(table["p"].to_numpy()))


def _spread(space: NeuronSpace, chosen: np.ndarray) -> pd.DataFrame:
    """Return how many of the chosen neurons lie in every site, with the hypergeometric upper tail."""
    from scipy.stats import hypergeom  # takes half a second to load

    groups = space.by_site(chosen)
    widths = np.array(space.widths)
    counts = np.array([len(groups.get(site, ())) for site in space.sites])
    total = max(int(chosen.size), 1)
    share, width_share = counts / total, widths / space.size
    tails = hypergeom.sf(counts - 1, space.size, widths, int(chosen.size))
    return pd.DataFrame(
        {
            "site": list(space.sites),
            "width": widths,
            "count": counts,
            "share": share,
            "width_share": width_share,
            "enrichment": share / width_share,
            "p": np.minimum(1.0, tails),
        }
    )
