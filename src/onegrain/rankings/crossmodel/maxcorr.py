"""MaxCorr and MinCorr: a neuron matters if other models have one like it [Dalvi19, Bau19]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onegrain.rankings.crossmodel.bootstrap import score_intervals
from onegrain.rankings.crossmodel.comparing import require_comparable
from onegrain.rankings.crossmodel.matching import find_partners
from onegrain.rankings.crossmodel.null import Comparison, Null, null_details
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.partners import Partners
from onegrain.rankings.crossmodel.permutations import permutations
from onegrain.rankings.crossmodel.rotations import Rotations
from onegrain.rankings.crossmodel.rows import normal_scores
from onegrain.rankings.crossmodel.sums.moments import Side
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.request import Method, Request
from onegrain.records.activations import Activations
from onegrain.records.parquet import json_numbers
from onegrain.records.ranking import Ranking

__all__ = ["MAXCORR", "MINCORR", "maxcorr", "mincorr"]


def maxcorr(request: Request) -> Ranking:
    """Rank by MaxCorr(i) = max over other models m', neurons j of m', of \\|rho(x_i, x_j)\\|.

    rho is the Pearson correlation over the words that have an activation in every model. A constant neuron has
    none: it scores NaN and comes last, and is not a partner. ``details`` holds, by flat index:

    - ``models``, ``spaces``: the other models and their neurons;
    - ``partner``: the best partner (position in ``models``, flat index there, signed correlation; None for a
      neuron without);
    - ``partners``: for each other model the best ones, ``neuron`` and ``correlation`` (neurons, partners);
    - ``constant``, ``constant_in_others``: how many neurons are constant;
    - ``null``: where one was asked for, the ``excess`` over its mean [Gurnee24], ``p`` (the share of draws, and
      of the score itself, that reach the score), ``q`` (p after Benjamini and Hochberg), ``mean``, and the
      smallest p that the draws can give, ``least_p``, and q of one neuron alone with that p, ``least_q``. The
      p of a rotation is of normal scores (``tested``; ``tested_score``, ``tested_mean``), see rotations.py, and
      the larger of that against rotations and that against exchanged sentences (``tested_against``);
    - ``interval``: where one was asked for, ``low`` and ``high``.

    Raises:
        MismatchError: the models were read on different words, two of them have the same weights, or with
            ``same-site`` a site is missing.
        ParameterError: no other model, too few words, or an activation is not finite.
    """
    return _correlate("maxcorr", np.fmax, request)


def mincorr(request: Request) -> Ranking:
    """Rank by MinCorr(i) = min over other models m' of max over neurons j of m' of \\|rho(x_i, x_j)\\| [Bau19].

    As :func:`maxcorr`, but the model in which the neuron has the worst best partner counts.
    """
    return _correlate("mincorr", np.minimum, request)


def _correlate(method: str, reduce: np.ufunc, request: Request) -> Ranking:
    own, options = request.activations, request.options
    models = (own, *request.others)
    same_site = options.compare == "same-site"
    require_comparable(method, models, same_site=same_site)
    passes = Passes.of(request, 2, f"{method} (a correlation)")
    found = Partners(len(request.others), own.n_neurons, options.partners, signed=options.signed)
    turned = _rotations(models, reduce, request) if options.null == "rotation" else None
    sides = find_partners(passes, found, same_site=same_site, turned=turned)
    scores = reduce.reduce(found.scores, axis=0)
    details = {
        "models": [other.describe() for other in request.others],
        "spaces": [other.space.to_json() for other in request.others],
        "partner": _partner(found, reduce),
        "partners": _partners(found),
        "constant": int(sides[0].constant.sum()),
        "constant_in_others": [int(side.constant.sum()) for side in sides[1:]],
        "words": passes.n_words,
    }
    ranked = scores
    if options.null != "none":
        null = turned.finish() if turned else permutations(passes, reduce, options, request.seed)
        tested = _rotated_test(passes, sides, reduce, request) if turned else None
        details["null"] = null_details(null, scores, pooled=options.pooled, tested=tested)
        if options.score == "excess":
            ranked = scores - null.mean
    if options.resamples:
        low, high = score_intervals(passes, sides, found, reduce, options, request.seed)
        details["interval"] = {"low": json_numbers(low), "high": json_numbers(high)}
    return Ranking.by_scores(method, own.space, ranked, request.provenance(method), details=details)


def _rotations(models: Sequence[Activations], reduce: np.ufunc, request: Request) -> Rotations:
    return Rotations([model.space for model in models], reduce, request.options, request.seed)


def _rotated_test(passes: Passes, sides: Sequence[Side], reduce: np.ufunc, request: Request) -> Comparison:
    """Return what MaxCorr or MinCorr gives on the neurons' normal scores, and their nulls.

    A rotation makes all neurons of a site alike in how much the words of a sentence have in common. Where they
    differ in that, noise can exceed it, and so the same scores are tested against exchanged sentences as well.
    """
    models = [
        normal_scores(model, passes.among, side.constant)
        for model, side in zip(passes.models, sides, strict=True)
    ]
    partners = Partners(len(models) - 1, models[0].n_neurons, 1, signed=request.options.signed)
    turned = _rotations(models, reduce, request)
    same_site = request.options.compare == "same-site"
    scored = passes.on(models)
    find_partners(scored, partners, same_site=same_site, turned=turned, what="normal scores")
    exchanged: tuple[Null, ...] = ()
    if len(np.unique(models[0].corpus.sentence_of_word[passes.among])) > 1:
        exchanged = (permutations(scored, reduce, request.options, request.seed),)
    return Comparison(reduce.reduce(partners.scores, axis=0), (turned.finish(), *exchanged))


def _partner(found: Partners, reduce: np.ufunc) -> dict[str, list[Any]]:
    """The partner that gives each neuron its score."""
    best = found.scores
    known = np.isfinite(reduce.reduce(best, axis=0))
    filled = np.where(np.isnan(best), -np.inf if reduce is np.fmax else np.inf, best)
    model = filled.argmax(axis=0) if reduce is np.fmax else filled.argmin(axis=0)
    neurons = np.arange(best.shape[1])
    return {
        "model": _listed(model, known),
        "neuron": _listed(found.neuron[model, neurons, 0], known),
        "correlation": _listed(found.correlation[model, neurons, 0], known),
    }


def _partners(found: Partners) -> list[dict[str, list[Any]]]:
    return [
        {"neuron": neuron.tolist(), "correlation": [json_numbers(row) for row in correlation]}
        for neuron, correlation in zip(found.neuron, found.correlation, strict=True)
    ]


def _listed(values: np.ndarray, known: np.ndarray) -> list[Any]:
    """The values as a list, None where unknown."""
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
)
