"""Choose the words from which a second-order model of the loss is computed.

The curvature of a word for label l is omega P_l (1 - P_l). It is nearly 0 for the words that a probe already
predicts with confidence, which are most words of a weakly penalised probe. A model without them has almost
the same Hessian. It guides steps only: objectives, gradients and gaps are always computed from all words.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.elastic_net.problem import Words

__all__ = ["curved_words"]


def curved_words(words: Words, chances: Tensor, left_out: float) -> Tensor:
    """Return which words matter for the curvature of each label, bool (words, labels), from P of that shape.

    The words left out have at most the share ``left_out`` of a label's curvature.
    """
    curvature = words.weigh(chances * (1.0 - chances), slice(0, words.n_words))
    ascending = curvature.sort(0).values
    sums = ascending.cumsum(0, dtype=torch.float64)
    n_left_out = (sums <= left_out * sums[-1]).sum(0).clamp(max=words.n_words - 1)
    return curvature >= ascending.gather(0, n_left_out[None])
