"""Rankings by MaxCorr and MinCorr: a neuron matters if other models have a similar one [Dalvi19, Bau19]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onegrain.rankings.crossmodel.bootstrap import score_intervals
from onegrain.rankings.crossmodel.comparing import require_comparable
from onegrain.rankings.crossmodel.matching import Collector, find_partners
from onegrain.rankings.crossmodel.null import Null, NullTest, null_details
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.partners import Partners
from onegrain.rankings.crossmodel.permutations import permutations
from onegrain.rankings.crossmodel.redrawing import CorrelationRedrawer
from onegrain.rankings.crossmodel.rotations import Rotations
from onegrain.rankings.crossmodel.rows import normal_scores
from onegrain.rankings.crossmodel.sums.moments import NeuronMoments
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.request import Method, Request
from onegrain.records.activations import Activations
from onegrain.records.parquet import json_numbers
from onegrain.records.ranking import Ranking

__all__ = ["MAXCORR", "MINCORR", "maxcorr", "mincorr"]


def maxcorr(request: Request) -> Ranking:
    """Rank by MaxCorr(i) = max over other models m', neurons j of m', of \\|rho(x_i, x_j)\\|.

    rho is the Pearson correlation over the words that have an activation in every model. A constant neuron has
    no correlation: it scores NaN, comes last, and is nobody's partner. ``details`` holds, in the order of flat
    indices:

    - ``models``, ``spaces``: the other models and their neurons;
    - ``partner``: the best partner (position in ``models``, flat index in that model, signed correlation; None
      for a neuron without a partner);
    - ``partners``: for each other model the best partners, ``neuron`` and ``correlation`` (neurons, partners);
    - ``constant``, ``constant_in_others``: the number of constant neurons;
    - ``null``, if requested: the ``excess`` over the null's ``mean`` [Gurnee24], ``p`` (the share of draws,
      with the score itself, that reach the score), ``q`` (p after Benjamini and Hochberg), the smallest p that
      the draws can give, ``least_p``, and the q of a single neuron with that p, ``least_q``. The p of a
      rotation is that of normal scores (``tested``; ``tested_score``, ``tested_mean``), see rotations.py; the
      larger of the p against rotations and the p against exchanged sentences counts (``tested_against``);
    - ``interval``, if requested: ``low`` and ``high``.

    Raises:
        MismatchError: the models were read on different words, two of them have the same weights, or with
            ``same-site`` a site is missing.
        ParameterError: there is no other model, there are too few words, or an activation is not finite.
    """
    return _correlate("maxcorr", np.fmax, request)


def mincorr(request: Request) -> Ranking:
    """Rank by MinCorr(i) = min over other models m' of max over neurons j of m' of \\|rho(x_i, x_j)\\| [Bau19].

    Like :func:`maxcorr`, except that the model whose best partner is worst counts.
    """
    return _correlate("mincorr", np.minimum, request)


def _correlate(method: str, reduce: np.ufunc, request: Request) -> Ranking:
    ranked, options = request.activations, request.options
    models = (ranked, *request.others)
    same_site = options.compare == "same-site"
    require_comparable(method, models, same_site=same_site)
    passes = Passes.of(request, 2, f"{method} (a correlation)")
    partners = Partners(len(request.others), ranked.n_neurons, options.partners, signed=options.signed)
    rotations = _rotations(models, reduce, request) if options.null == "rotation" else None
    collectors: list[Collector] = [partners] if rotations is None else [partners, rotations]
    by_model = find_partners(passes, collectors, same_site=same_site)
    scores = reduce.reduce(partners.scores, axis=0)
    details = {
        "models": [other.describe() for other in request.others],
        "spaces": [other.space.to_json() for other in request.others],
        "partner": _partner(partners, reduce),
        "partners": _partners(partners),
        "constant": int(by_model[0].constant.sum()),
        "constant_in_others": [int(moments.constant.sum()) for moments in by_model[1:]],
        "words": passes.n_words,
    }
    ranked_by = scores
    if options.null != "none":
        null = rotations.finish() if rotations else permutations(passes, reduce, options, request.seed)
        tested = _rotated_test(passes, by_model, reduce, request) if rotations else None
        details["null"] = null_details(null, scores, pooled=options.pooled, tested=tested)
        if options.score == "excess":
            ranked_by = scores - null.mean
    if options.resamples:
        low, high = score_intervals(passes, by_model, partners, reduce, options, request.seed)
        details["interval"] = {"low": json_numbers(low), "high": json_numbers(high)}
    return Ranking.by_scores(method, ranked.space, ranked_by, request.provenance(method), details=details)


def _rotations(models: Sequence[Activations], reduce: np.ufunc, request: Request) -> Rotations:
    return Rotations([model.space for model in models], reduce, request.options, request.seed)


def _rotated_test(
    passes: Passes, by_model: Sequence[NeuronMoments], reduce: np.ufunc, request: Request
) -> NullTest:
    """Return the MaxCorr or MinCorr of the neurons' normal scores, and its nulls.

    After a rotation, all neurons of a site depend equally on what the words of a sentence share. If the neurons
    differ in that, noise can exceed the rotation null, so the same scores are also tested against exchanged
    sentences.
    """
    models = [
        normal_scores(model, passes.among, moments.constant)
        for model, moments in zip(passes.models, by_model, strict=True)
    ]
    partners = Partners(len(models) - 1, models[0].n_neurons, 1, signed=request.options.signed)
    rotations = _rotations(models, reduce, request)
    same_site = request.options.compare == "same-site"
    scored = passes.over_models(models)
    find_partners(scored, [partners, rotations], same_site=same_site, what="normal scores")
    exchanged: tuple[Null, ...] = ()
    if len(np.unique(models[0].corpus.sentence_of_word[passes.among])) > 1:
        exchanged = (permutations(scored, reduce, request.options, request.seed),)
    return NullTest(reduce.reduce(partners.scores, axis=0), (rotations.finish(), *exchanged))


def _partner(partners: Partners, reduce: np.ufunc) -> dict[str, list[Any]]:
    """Return the partner that gives each neuron its score."""
    best = partners.scores
    known = np.isfinite(reduce.reduce(best, axis=0))
    filled = np.where(np.isnan(best), -np.inf if reduce is np.fmax else np.inf, best)
    model = filled.argmax(axis=0) if reduce is np.fmax else filled.argmin(axis=0)
    neurons = np.arange(best.shape[1])
    return {
        "model": _listed(model, known),
        "neuron": _listed(partners.neuron[model, neurons, 0], known),
        "correlation": _listed(partners.correlation[model, neurons, 0], known),
    }


def _partners(partners: Partners) -> list[dict[str, list[Any]]]:
    """Return all listed partners, for each other model."""
    return [
        {"neuron": neuron.tolist(), "correlation": [json_numbers(row) for row in correlation]}
        for neuron, correlation in zip(partners.neuron, partners.correlation, strict=True)
    ]


def _listed(values: np.ndarray, known: np.ndarray) -> list[Any]:
    """Return the values as a list, with None where unknown."""
    return [value if keep else None for value, keep in zip(values.tolist(), known.tolist(), strict=True)]


MAXCORR = Method(
    name="maxcorr",
    summary="highest correlation with any neuron of another model [Dalvi19, Bau19]",
    function=maxcorr,
    options=CorrelationOptions,
    needs_others=True,
    takes_memory=True,
    takes_device=True,
    takes_engine=True,
    redraw=lambda request: CorrelationRedrawer(request, np.fmax),
)


MINCORR = Method(
    name="mincorr",
    summary="lowest over the other models of the highest correlation with any neuron [Bau19]",
    function=mincorr,
    options=CorrelationOptions,
    needs_others=True,
    takes_memory=True,
    takes_device=True,
    takes_engine=True,
    redraw=lambda request: CorrelationRedrawer(request, np.minimum),
)
