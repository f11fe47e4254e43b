"""Ranking by integrated gradients: how much of the model's loss is due to each neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from onegrain.core.options import require_flag
from onegrain.core.ordering import order_by_score
from onegrain.rankings.gradients.attribution import Attributions, StraightPath, integrated_gradients
from onegrain.rankings.request import Method, Request
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "IntegratedGradientsOptions", "rank_by_integrated_gradients"]


@dataclass(frozen=True)
class IntegratedGradientsOptions:
    """Parameters of the ranking by integrated gradients.

    Attributes:
        steps: number of gradients computed on the path from the baseline to the value.
        baseline: the ``mean`` of each neuron over the subwords of the corpus's words, or ``zero``.
        signed: rank by how much a neuron lowers the loss; by default, by the absolute size of its effect.
    """

    steps: int = 16
    baseline: str = "mean"
    signed: bool = False

    def __post_init__(self) -> None:
        StraightPath(self.steps, self.baseline)
        require_flag("signed", self.signed)


def rank_by_integrated_gradients(request: Request) -> Ranking:
    """Rank by integrated gradients of the task loss [Sundararajan, Taly and Yan 2017] at each site alone.

    The task loss is the one that :class:`~onegrain.Perplexity` averages: the negative log-likelihood (nats) of
    every predicted subword. The attribution of neuron j at a word is the sum over the word's subwords t of

        (z_tj - b_j) * integral over a from 0 to 1 of dL/dz_tj at b + a (z - b)

    with z the site's value at all subwords of a sentence, b the baseline, and L the loss of the sentence. The
    path changes the site itself, whereas conductance [Dhamdhere, Sundararajan and Yan 2018] changes the model's
    input and measures how much of the effect flows through a neuron. The attributions of a site sum to the loss
    minus the loss with the entire site at the baseline.

    A neuron's score is the mean absolute attribution, in nats per word; with ``signed``, minus the mean
    attribution: positive where the neuron lowers the loss. ``details`` holds:

    - ``words``: the number of words with a subword; ``left_out``: those without a subword, or that do not fit;
    - ``predicted``: the number of subwords that the model predicts;
    - ``lowers_loss``: in the order of flat indices, minus the mean attribution, in nats per word;
    - ``silent``: the number of neurons with attribution 0 at every word;
    - ``completeness``, for each site in nats over the corpus: ``loss``, ``baseline_loss``, ``attributed`` (the
      sum of all attributions), ``special`` (the part at special subwords, which belong to no word), and
      ``error``: ``attributed`` minus the difference of the losses.

    Raises:
        ParameterError: the activations are not live, the model predicts no subword, or no word has a subword.
        CorpusError: a sentence is longer than the model reads.
        ModelError: a site cannot be read word by word, or a gradient is not finite.
    """
    options, activations = request.options, request.activations
    path = StraightPath(options.steps, options.baseline)
    attributions = integrated_gradients(activations, path, progress=request.progress)
    lowers_loss = (
        0.0 - attributions.signed / attributions.words
    )  # not -x, which would give -0 for a neuron without attribution
    scores = lowers_loss if options.signed else attributions.absolute / attributions.words
    return Ranking(
        method="integrated-gradients",
        space=activations.space,
        order=order_by_score(scores, request.seed),
        scores=scores,
        n_ranked=len(scores),
        provenance=request.provenance("integrated-gradients"),
        details=_details(activations, attributions, lowers_loss),
    )


def _details(
    activations: Activations, attributions: Attributions, lowers_loss: Float64[np.ndarray, " neurons"]
) -> dict[str, Any]:
    return {
        "words": attributions.words,
        "left_out": {"no_activation": activations.n_words - attributions.words},
        "predicted": attributions.predicted,
        "silent": int((attributions.absolute == 0.0).sum()),
        "lowers_loss": lowers_loss.tolist(),
        "completeness": [
            {
                "site": site.site,
                "loss": site.loss,
                "baseline_loss": site.baseline_loss,
                "attributed": site.attributed,
                "special": site.special,
                "error": site.attributed - (site.loss - site.baseline_loss),
            }
            for site in attributions.sites
        ],
    }


METHOD = Method(
    name="integrated-gradients",
    summary="integrated gradients of the task loss, of a model that runs",
    function=rank_by_integrated_gradients,
    options=IntegratedGradientsOptions,
    needs_model=True,
)
