"""Choose the neurons that a sparse probe may need, and hold them in a table of their own.

At the minimum a weight is zero if the slope of the loss is below lambda1. Before, slopes still move, but a
weight that is zero with a slope far below lambda1 rarely leaves zero (the strong rules of Tibshirani et al.
2012). The neurons that have a weight or a slope near lambda1 are the working set. What the rule leaves out is
not proven to be zero: the slopes of all neurons are checked after the working set is solved, and the gap is
that of all neurons. A rule that is safe (Ndiaye et al. 2017) excludes nothing until the gap is far below the
tolerance: docs/solver.md.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.data.memory import Table
from onegrain.rankings.elastic_net.newton import NewtonState
from onegrain.rankings.elastic_net.problem import Words

__all__ = ["LEAST_NEURONS", "SelectedNeurons", "steepest_neurons", "working_neurons"]

LEAST_NEURONS = 16384
"""Working sets are used with at least as many neurons."""
NEAR = 0.9
MOST_SHARE = 0.5
GROWTH = 2.0
START = 1024
ROUGH = 0.1
"""Gap of a probe whose small weights say little of which neurons matter."""
TINY = 1e-30


class SelectedNeurons(Words):
    """Some of the scaled neurons of the same words, in a table of their own.

    Args:
        words: the words.
        neurons: int64 (selected,), which neurons.
    """

    def __init__(self, words: Words, neurons: Tensor) -> None:
        self.n_words, self.n_neurons, self.n_labels = words.n_words, len(neurons), words.n_labels
        self.targets, self.omega, self.centred = words.targets, words.omega, words.centred
        self.unit, self.dtype, self.memory = words.unit[neurons], words.dtype, words.memory
        self.label_shares, self.label_products = words.label_shares, words.label_products[neurons]
        self._table: Table = words.columns(neurons)

    def block(self, rows: slice) -> Tensor:
        """Return the selected neurons of some words, (rows, selected)."""
        return self._table[rows]


def working_neurons(state: NewtonState, *, truncate: bool) -> Tensor | None:
    """Return the neurons, by index, that may have a weight at the minimum.

    Stochastic steps leave small weights at many more neurons than need one. With ``truncate``, a rough probe
    keeps only the neurons of the largest weights; those that are missed have steep slopes then, and come back.

    Returns:
        int64 (selected,), ascending; None without lambda1, with few neurons, or if more than half are needed.
    """
    words = state.words
    if not state.pair[0] or words.n_neurons < LEAST_NEURONS:
        return None
    n_nonzero, most = int((state.weights != 0.0).any(1).sum()), int(MOST_SHARE * words.n_neurons)
    if truncate and n_nonzero > START and state.certificate.gap > ROUGH:
        sizes = (state.weights.abs() * state.l1).sum(1)
        return sizes.topk(START).indices.sort().values
    return None if n_nonzero > most else steepest_neurons(state.weights, state.slope(), state.l1, most)


def steepest_neurons(weights: Tensor, slope: Tensor, l1: Tensor, most: int) -> Tensor:
    """Return the neurons that have a weight, and those whose slope comes closest to lambda1 or exceeds it most.

    Args:
        weights: (neurons, labels), of the scaled neurons.
        slope: (neurons, labels), derivatives of J without its absolute values.
        l1: (neurons, 1), lambda1 for the scaled neurons; 0 for a constant neuron.
        most: limit on the neurons; a set is also limited to a few times those that have a weight.

    Returns:
        int64 (selected,), ascending.
    """
    nonzero = (weights != 0.0).any(1)
    n_nonzero = int(nonzero.sum())
    steepness = torch.where(l1[:, 0] > 0.0, slope.abs().amax(1) / l1[:, 0].clamp(min=TINY), 0.0)
    candidates = (~nonzero & (steepness > NEAR)).nonzero().ravel()
    limit = max(0, min(most, int(GROWTH * n_nonzero) + START) - n_nonzero)
    if len(candidates) > limit:
        candidates = candidates[steepness[candidates].topk(limit).indices]
    return torch.cat([nonzero.nonzero().ravel(), candidates]).sort().values
