"""Sparse probing [Gurnee23]: for every label the few neurons that together tell it best."""

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
from onegrain.rankings.sparse.correlations import Correlations
from onegrain.rankings.sparse.fit import Fit
from onegrain.rankings.sparse.options import SparseOptions
from onegrain.rankings.sparse.probe import SparseProbes
from onegrain.rankings.sparse.search import choose
from onegrain.records.leakage import measure_leakage
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "sparse_probing"]

TINY = np.finfo(np.float64).tiny


def sparse_probing(request: Request) -> Ranking:
    """Find for every label, against all others, the k neurons whose linear probe tells it best [Gurnee23].

    The probe of a set of neurons is the least-squares regression of whether a word has the label (0 or 1),
    whose direction is that of the linear discriminant; the best set has the highest R^2 on the training words.
    It is searched for greedily, with exchanges, and on demand exactly (search.py, exact.py). Words without a
    label are left out; so are labels of fewer than ``min_count`` words. Held-out words (``dev``, ``test``) have
    no say; on them the probes are scored.

    ``label_scores`` of a chosen neuron is the R^2 of the label's set less that of the neurons that were put
    before it: what it and those behind it add. It falls from the first, which has the R^2 of the whole set, to
    the last, which has what that one adds. Neurons are put in the order in which each adds most to those before
    it; others score 0. A neuron's score is its highest for any label, and those that are chosen for one are
    ranked. A constant neuron scores NaN. ``weights`` are those of the probes, for activations as they are.

    ``details``: ``labels``, for each ``sizes`` (for 1, 2, ... neurons the set, its ``r2``, and after an exact
    search ``candidates``: no set of this size among so many has a higher one), ``bias``, ``threshold``, and
    ``train``, ``dev`` and ``test`` (``words`` with the label, ``f1``, ``accuracy`` of the last set's probe);
    ``train``, ``dev``, ``test`` (words, left_out, ...); ``evaluation``, which of ``dev`` and ``test`` the
    probes are to be judged ``on``, ``test`` where there is any, their mean F1 there (``full``), and what those
    words share with the training words (``leakage``), or None without held-out words; ``passes`` over the
    words; ``constant``.

    Raises:
        ParameterError: too many sets to search exactly, an activation that is not finite, or too small a memory
            budget.
        LabelError: no such layer, or fewer than two labels to learn.
        MismatchError: held-out words of other neurons, or the training words themselves.
    """
    options: SparseOptions = request.options
    layer, memory = str(request.label), Memory(request.memory)
    require_labels(request.activations, layer, options.min_count)
    held = {name: one for name, one in (("dev", request.dev), ("test", request.test)) if one is not None}
    for one in held.values():
        require_held_out(request.activations, one)
    memory.reserve(_working_bytes(request), "sparse probing")
    corpus = request.activations.corpus
    kept = np.ones(corpus.n_sentences, dtype=bool)
    if options.max_words is not None:
        kept = sentences_within(corpus, kept, options.max_words, request.seed)
    train = read_labelled(request.activations, layer, kept, options.min_count, memory)
    known = Correlations(train, request.seed)
    with request.progress("probes", options.k * len(train.labels), "neurons") as advance:
        found = choose(known, options, advance)
    probes = SparseProbes.of([one.fit for one in found], known, train)
    label_scores = np.stack([_label_scores(one.fit, known.varies) for one in found])
    scores = label_scores.max(axis=0)
    details: dict[str, Any] = {
        "labels": {
            name: {"sizes": one.sizes, "bias": bias, "threshold": threshold, "train": scored}
            for name, one, bias, threshold, scored in zip(
                train.labels,
                found,
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
    for name, activations in held.items():
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
    """Return how well the last probe of each label does on held-out words, and the mean of their F1."""
    known = [scored[name]["f1"] for scored in labels.values() if scored[name]["f1"] is not None]
    return {
        "macro_f1": float(np.mean(known)) if known else None,
        "labels": {label: scored[name] for label, scored in labels.items()},
    }


def _label_scores(fit: Fit, varies: np.ndarray) -> Float64[np.ndarray, " neurons"]:
    """R^2 of the set less that of the neurons before each."""
    scores = np.where(varies, 0.0, np.nan)
    added = np.cumsum(fit.steps[::-1])[::-1]
    scores[list(fit.chosen)] = np.maximum(added, TINY)
    return scores


def _working_bytes(request: Request) -> int:
    """What the search holds besides the words: rows of correlations, and every label's factor and exchanges."""
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
