"""Ranking by LAPE: is a neuron active at the words of a few labels only? [Tang24]"""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from onegrain.rankings.labels import LabelOptions
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores

__all__ = ["METHOD", "lape"]


def lape(counts: Counts, options: LabelOptions) -> Scores:
    """Score neurons by log L - H, with H the entropy (nats) of activation probabilities over labels [Tang24].

    p_l is the share of the label's words at which the neuron is above 0, p'_l = p_l / sum p, and H = -sum p'_l
    log p'_l. The score is 0 for a neuron that is equally active at all labels, and log L for a neuron that is
    active at one label only; the score of one label is p'_l times that. A neuron that is never active scores
    NaN. [Tang24] lists neurons of low entropy; the order is the same. *Above 0* is most meaningful after a
    rectifying non-linearity; in the residual stream it is an arbitrary threshold.

    [Tang24]: Tang, Luo, Huang et al. *Language-Specific Neurons: The Key to Multilingual Capabilities in Large
    Language Models.* ACL 2024.
    """
    assert counts.positive is not None, "the method asked for no counts of positive values"
    probability = counts.positive / counts.words[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = probability / probability.sum(axis=0)
    scores = np.maximum(np.log(len(shares)) - entr(shares).sum(axis=0), 0.0)
    return Scores(scores, shares * scores)


METHOD = counting_method(
    "lape",
    "how few labels' words a neuron is active (above 0) at, by entropy [Tang24]",
    lape,
    needs=["positive"],
)
