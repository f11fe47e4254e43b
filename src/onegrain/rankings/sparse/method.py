"""Sparse probing [Gurnee23]: the few neurons that together predict a label best."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from onegrain.core.ordering import order_by_score
from onegrain.rankings.data.labelled import (
    describe_words,
    read_labelled,
    read_matching,
    require_held_out,
    sentences_within,
)
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.labels import require_labels
from onegrain.rankings.request import Method, Request
from onegrain.rankings.sparse.correlations import LabelCorrelations
from onegrain.rankings.sparse.fit import Fit
from onegrain.rankings.sparse.options import SparseOptions
from onegrain.rankings.sparse.probe import SparseProbes
from onegrain.rankings.sparse.search import choose
from onegrain.records.leakage import measure_leakage
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "sparse_probing"]

TINY = np.finfo(np.float64).tiny
"""Least score of a chosen neuron, so that it is above the 0 of all others."""


def sparse_probing(request: Request) -> Ranking:
    """Find for every label, against all others, the k neurons whose linear probe predicts it best [Gurnee23].

    The probe of a set of neurons is the least-squares regression of the label's indicator (0 or 1), whose
    direction is that of the linear discriminant; the best set has the highest R^2 on the training words. The
    search is greedy, with exchanges, and exact on request (search.py, exact.py). Words without a label are left
    out, and so are labels with fewer than ``min_count`` words. Held-out words (``dev``, ``test``) do not
    influence the choice; the probes are scored on them.

    The chosen neurons of a label are sorted so that each adds most to those before it. The ``label_scores`` of
    a chosen neuron is the R^2 of the full set minus the R^2 of the neurons before it. It falls from the R^2 of
    the full set, for the first neuron, to the gain of the last; other neurons score 0. A neuron's score is its
    highest score for any label, and all neurons chosen for a label are ranked. A constant neuron scores NaN.
    ``weights`` are those of the probes, in units of the activations.

    ``details`` holds:

    - ``labels``, for each label: ``sizes`` (for 1, 2, ... neurons the set, its ``r2``, and after an exact
      search the number of ``candidates`` among which no set of this size has a higher one), ``bias``,
      ``threshold``, and ``train``, ``dev`` and ``test`` (``words`` with the label, ``f1`` and ``accuracy`` of
      the largest set's probe);
    - ``train``, ``dev``, ``test``: words, left_out, ...;
    - ``evaluation``, None without held-out words: ``on``, which words judge the probes (``test`` if given, else
      ``dev``), the mean F1 on them (``full``), and what they share with the training words (``leakage``);
    - ``passes`` over the words, and the number of ``constant`` neurons.

    Raises:
        ParameterError: there are too many sets for an exact search, an activation is not finite, or the memory
            budget is too small.
        LabelError: the layer does not exist, or fewer than two labels can be learned.
        MismatchError: the held-out words belong to other neurons, or are the training words.
    """
    options: SparseOptions = request.options
    layer, memory = str(request.label), Memory(request.memory)
    require_labels(request.activations, layer, options.min_count)
    named = {"dev": request.dev, "test": request.test}
    held_out = {name: activations for name, activations in named.items() if activations is not None}
    for activations in held_out.values():
        require_held_out(request.activations, activations)
    memory.reserve(_working_bytes(request), "sparse probing")
    corpus = request.activations.corpus
    kept = np.ones(corpus.n_sentences, dtype=bool)
    if options.max_words is not None:
        kept = sentences_within(corpus, kept, options.max_words, request.seed)
    train = read_labelled(request.activations, layer, kept, options.min_count, memory)
    known = LabelCorrelations(train, request.seed)
    with request.progress("probes", options.k * len(train.labels), "neurons") as advance:
        chosen = choose(known, options, advance)
    probes = SparseProbes.of([label_probe.fit for label_probe in chosen], known, train)
    label_scores = np.stack([_label_scores(label_probe.fit, known.varies) for label_probe in chosen])
    scores = label_scores.max(axis=0)
    details: dict[str, Any] = {
        "labels": {
            name: {"sizes": label_probe.sizes, "bias": bias, "threshold": threshold, "train": scored}
            for name, label_probe, bias, threshold, scored in zip(
                train.labels,
                chosen,
                probes.biases.tolist(),
                probes.thresholds.tolist(),
                probes.scores(train),
                strict=True,
            )
        },
        "train": describe_words(train),
        "constant": int((~known.varies).sum()),
        "passes": known.passes,
        "evaluation": None,
    }
    for name, activations in held_out.items():
        words = read_matching(activations, layer, train.labels, memory=memory)
        details[name] = {"words": len(words), "left_out": words.left_out}
        for label, scored in zip(train.labels, probes.scores(words), strict=True):
            details["labels"][label][name] = scored
        shared = measure_leakage(
            corpus, np.unique(train.sentences), activations.corpus, np.unique(words.sentences)
        )
        details["evaluation"] = {"on": name, "full": _summary(details["labels"], name), "leakage": shared}
    return Ranking(
        method="sparse-probing",
        space=request.activations.space,
        order=order_by_score(scores, request.seed),
        scores=scores,
        n_ranked=int((scores > 0.0).sum()),
        provenance=request.provenance("sparse-probing"),
        layer=layer,
        labels=train.labels,
        label_scores=label_scores,
        weights=probes.weights,
        details=details,
    )


def _summary(labels: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the scores of the labels' probes on held-out words, and their mean F1."""
    known = [scored[name]["f1"] for scored in labels.values() if scored[name]["f1"] is not None]
    return {
        "macro_f1": float(np.mean(known)) if known else None,
        "labels": {label: scored[name] for label, scored in labels.items()},
    }


def _label_scores(fit: Fit, varies: np.ndarray) -> Float64[np.ndarray, " neurons"]:
    """Return for each chosen neuron the R^2 of the set minus that of the neurons before it."""
    scores = np.where(varies, 0.0, np.nan)
    added = np.cumsum(fit.steps[::-1])[::-1]
    scores[list(fit.chosen)] = np.maximum(added, TINY)
    return scores


def _working_bytes(request: Request) -> int:
    """Return the bytes that the search needs besides the words: correlations, fits, and exchanges."""
    options: SparseOptions = request.options
    neurons = request.activations.n_neurons
    labels = len(request.activations.layer(str(request.label)).vocabulary)
    rows = min(3 * labels * options.k, neurons)
    if options.exact:
        several = 1 if options.candidates is None else labels
        rows = max(rows, min(several * options.among(neurons), neurons))
    words = request.activations.n_words * labels * 32
    return 8 * neurons * (2 * rows + labels * options.k + 8 * options.k + 4096) + words + 64 * 2**20


METHOD = Method(
    name="sparse-probing",
    summary="the few neurons for each label whose linear probe tells it best together [Gurnee23]",
    function=sparse_probing,
    options=SparseOptions,
    needs_label=True,
    takes_heldout=True,
    takes_memory=True,
)
