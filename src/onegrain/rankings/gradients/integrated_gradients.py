"""Integrated gradients: how much of the model's loss is due to each neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from onegrain.core.ordering import order_by_score
from onegrain.errors import ParameterError
from onegrain.rankings.gradients.attribution import Attributions, StraightPath, integrated_gradients
from onegrain.rankings.request import Method, Request
from onegrain.records.activations import Activations
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "IntegratedGradientsOptions", "rank_by_integrated_gradients"]


@dataclass(frozen=True)
class IntegratedGradientsOptions:
    """Parameters of the ranking by integrated gradients.

    Attributes:
        steps: how many gradients are taken on the way from the baseline to the value.
        baseline: the ``mean`` of each neuron over the subwords of the corpus's words, or ``zero``.
        signed: rank by how much a neuron lowers the loss; by default by the size of what it does, either way.
    """

    steps: int = 16
    baseline: str = "mean"
    signed: bool = False

    def __post_init__(self) -> None:
        StraightPath(self.steps, self.baseline)
        if not isinstance(self.signed, bool):
            raise ParameterError(f"signed must be true or false, got {self.signed!r}")


def rank_by_integrated_gradients(request: Request) -> Ranking:
    """Rank by integrated gradients of the task loss [Sundararajan, Taly and Yan 2017] at each site alone.

    The task loss is what :class:`~onegrain.Perplexity` takes the mean of: the negative log-likelihood (nats) of
    every predicted subword. The attribution of neuron j at a word is the sum over the word's subwords t of

        (z_tj - b_j) * integral over a from 0 to 1 of dL/dz_tj at b + a (z - b)

    with z the site's value at all subwords of a sentence, b the baseline, and L the loss of the sentence. It is
    of a site's own values, where Dhamdhere, Sundararajan and Yan [2018] (conductance) follow the path of the
    model's input and ask how much of it flows through a neuron. Attributions of one site sum to the loss minus
    the loss where all of the site is the baseline.

    A neuron's score is the mean absolute attribution, in nats per word; with ``signed``, minus the mean
    attribution: positive where the neuron lowers the loss. ``details`` holds:

    - ``words``, those that have a subword, and ``left_out``, those that have none or do not fit;
    - ``predicted``: how many subwords the model predicts;
    - ``lowers_loss``: by flat index, minus the mean attribution, in nats per word;
    - ``silent``: how many neurons have the attribution 0 at every word;
    - ``completeness``, for each site in nats over the corpus: ``loss``, ``baseline_loss``, ``attributed`` (the
      sum of all attributions), ``special`` (the part at special subwords, which is no word's), and ``error``:
      ``attributed`` minus the difference of the losses.

    Raises:
        ParameterError: the activations are not live, the model predicts no subword, or no word has a subword.
        CorpusError: a sentence longer than the model reads.
        ModelError: a site that cannot be read word by word, or a gradient that is not finite.
    """
    options, own = request.options, request.activations
    path = StraightPath(options.steps, options.baseline)
    found = integrated_gradients(own, path, progress=request.progress)
    lowers = 0.0 - found.signed / found.words  # not -x: a neuron without attribution has 0, never -0
    scores = lowers if options.signed else found.absolute / found.words
    return Ranking(
        method="integrated-gradients",
        space=own.space,
        order=order_by_score(scores, request.seed),
        scores=scores,
        n_ranked=len(scores),
        provenance=request.provenance("integrated-gradients"),
        details=_details(own, found, lowers),
    )


def _details(own: Activations, found: Attributions, lowers: Float64[np.ndarray, " neurons"]) -> dict[str, Any]:
    return {
        "words": found.words,
        "left_out": {"no_activation": own.n_words - found.words},
        "predicted": found.predicted,
        "silent": int((found.absolute == 0.0).sum()),
        "lowers_loss": lowers.tolist(),
        "completeness": [
            {
                "site": one.site,
                "loss": one.loss,
                "baseline_loss": one.baseline_loss,
                "attributed": one.attributed,
                "special": one.special,
                "error": one.attributed - (one.loss - one.baseline_loss),
            }
            for one in found.sites
        ],
    }


METHOD = Method(
    name="integrated-gradients",
    summary="integrated gradients of the task loss, of a model that runs",
    function=rank_by_integrated_gradients,
    options=IntegratedGradientsOptions,
    needs_model=True,
)
