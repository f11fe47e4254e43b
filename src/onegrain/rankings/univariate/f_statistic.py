"""The F statistic: does a neuron's mean differ between the labels more than it does within them?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from jaxtyping import Float64

from onegrain.core.ranking import Ranking, order_by_score
from onegrain.errors import LabelError
from onegrain.rankings.request import Method, Request
from onegrain.rankings.univariate.spread import Spread, spreads
from onegrain.rankings.univariate.words import labelled_words

__all__ = ["METHOD", "f_statistic"]


def f_statistic(request: Request) -> Ranking:
    """Rank by the F statistic of a one-way analysis of variance between the labels [Fisher 1925].

    F = (sum_l n_l (m_l - m)^2 / (L - 1)) / (sum_l sum_i (x_i - m_l)^2 / (N - L)) for a neuron x over N words
    with L labels, n_l words of label l with mean m_l, and mean m of all. ``label_scores`` is the same of the
    words of one label against the words of all others. Words without label or without activation are left out.

    A constant neuron has no F: NaN, last, counted in ``details["constant"]``. A neuron that is constant in
    every group, but not the same in all, has an infinite one. ``details`` holds the ``degrees_of_freedom`` of
    the scores and of the ``label_scores``, between and within groups.

    One pass, in float64, merged centred; memory grows with labels x neurons, not with the words.

    Raises:
        LabelError: no such layer, fewer than two labels, a label without words, or one word for each label.
        ParameterError: an activation is not finite.
    """
    layer = request.label
    assert layer is not None, "the registry asks for a label"
    words = labelled_words(request.activations, layer, request.progress)
    n_words, n_labels = len(words), len(words.labels)
    if n_words == n_labels:
        raise LabelError(
            f"each of the {n_labels} labels of layer {layer!r} has one word, so nothing varies within a label; "
            "label more words, or choose another layer"
        )
    groups = spreads(words)
    scores = _f(groups)
    label_scores = np.stack([_f(pair) for pair in _against_the_rest(groups)])
    return Ranking(
        method="f-statistic",
        space=request.activations.space,
        order=order_by_score(scores),
        scores=scores,
        n_ranked=int((~np.isnan(scores)).sum()),
        provenance=request.provenance("f-statistic"),
        layer=layer,
        labels=words.labels,
        label_scores=label_scores,
        details={
            **words.details(),
            "constant": int(np.isnan(scores).sum()),
            "degrees_of_freedom": {
                "scores": [n_labels - 1, n_words - n_labels],
                "label_scores": [1, n_words - 2],
            },
        },
    )


def _f(groups: Sequence[Spread]) -> Float64[np.ndarray, " neurons"]:
    """F between groups of words; NaN where all are one constant."""
    everything = list(accumulate(groups, Spread.merged))[-1]
    between = sum(group.words * (group.mean - everything.mean) ** 2 for group in groups) / (len(groups) - 1)
    within = sum(group.squares for group in groups) / (everything.words - len(groups))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(everything.squares == 0.0, np.nan, between / within)


def _against_the_rest(groups: Sequence[Spread]) -> list[tuple[Spread, Spread]]:
    """Each group, and all others merged: those before it and those behind it, so that nothing is subtracted."""
    nothing = Spread.none(len(groups[0].mean))
    before = list(accumulate(groups[:-1], Spread.merged, initial=nothing))
    behind = list(accumulate(groups[:0:-1], Spread.merged, initial=nothing))[::-1]
    return [(group, first.merged(last)) for group, first, last in zip(groups, before, behind, strict=True)]


METHOD = Method(
    name="f-statistic",
    summary="variance between the labels against the variance within them",
    function=f_statistic,
    needs_label=True,
)
