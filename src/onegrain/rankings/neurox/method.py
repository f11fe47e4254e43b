"""The ``neurox`` preset: rankings as NeuroX 1.0.9 makes them, from a store."""

from __future__ import annotations

from typing import Any

import numpy as np

from onegrain.errors import ParameterError
from onegrain.rankings.data.labelled import (
    LabelledWords,
    describe_words,
    read_labelled,
    read_matching,
    require_held_out,
)
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net.probe import FittedProbe, predict
from onegrain.rankings.labels import require_labels
from onegrain.rankings.lca.evaluation import accuracy, label_scores
from onegrain.rankings.neurox.options import NeuroxOptions
from onegrain.rankings.neurox.ordering import order_as_neurox
from onegrain.rankings.neurox.training import train_probe
from onegrain.rankings.request import Method, Request
from onegrain.records.leakage import measure_leakage
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "neurox"]

WEIGHT_BYTES, NEURON_BYTES, READING_BYTES = 64, 2**16, 2**28
"""What is held beside tables: for each weight, each neuron of a block of words, and while a store is read."""


def neurox(request: Request) -> Ranking:
    """Rank neurons by the weights of a linear probe, trained and read as NeuroX 1.0.9 does.

    training.py says what the probe minimises and how, ordering.py how the neurons are ordered. Every word with
    an activation and a label is learned from, in the order of the corpus, and none is held out; labels are
    numbered in sorted order. As in NeuroX a label is learned however few words it has, unless ``min_count`` is
    raised. Nothing is chosen, so ``dev`` and ``test`` are only scored: ``evaluation`` is of
    ``test``, else of ``dev``. Held-out words whose label was not learned are left out and counted.

    The ranking's scores fall from step to step of the ordering; ``label_scores`` are |theta|, ``weights``
    theta. A constant neuron is ranked by its weight, as in NeuroX, where that is a random one or a second bias;
    ``details["constant"]`` counts them.

    ``details``: ``lambda1``, ``lambda2``, ``cutoffs`` ([p, neurons] pairs), ``biases``, ``train`` (words,
    left_out, labels_left_out, label_words, accuracy), ``dev`` (words, left_out, accuracy; None if not given)
    and ``evaluation`` (as of ``lca`` with ``leakage``, but without intervals, masking and retraining, and with
    each label's accuracy; None where there are no held-out words).

    Raises:
        ParameterError: an activation is not finite, the memory budget is too small, or training diverged.
        LabelError: no such layer, or fewer than two labels with words.
        MismatchError: held-out words of other neurons, or the training words themselves.
    """
    options: NeuroxOptions = request.options
    acts, layer = request.activations, str(request.label)
    require_labels(acts, layer, options.min_count)
    for given in (request.dev, request.test):
        if given is not None:
            require_held_out(acts, given)
    memory = Memory(request.memory)
    weights = acts.n_neurons * len(acts.layer(layer).vocabulary)
    memory.reserve(READING_BYTES + NEURON_BYTES * acts.n_neurons + WEIGHT_BYTES * weights, "a probe")
    train = read_labelled(acts, layer, np.ones(acts.corpus.n_sentences, dtype=bool), options.min_count, memory)
    with request.progress("train the probe", options.epochs * len(train), "words") as advance:
        theta, biases = train_probe(
            train.values, train.codes, len(train.labels), options, request.seed, advance
        )
    if not (np.isfinite(theta).all() and np.isfinite(biases).all()):
        raise ParameterError(
            f"training diverged with learning_rate={options.learning_rate:g}: weights are not finite; lower it"
        )
    probe = _as_fitted(theta, biases)
    ordering = order_as_neurox(theta, options.search_stride, request.seed)
    dev, test = (
        None if given is None else read_matching(given, layer, train.labels, memory=memory)
        for given in (request.dev, request.test)
    )
    return Ranking(
        method="neurox",
        space=acts.space,
        order=ordering.order,
        scores=ordering.scores,
        n_ranked=ordering.n_ranked,
        provenance=request.provenance("neurox"),
        layer=layer,
        labels=train.labels,
        label_scores=np.abs(probe.weights),
        weights=probe.weights,
        details={
            "lambda1": options.lambda1,
            "lambda2": options.lambda2,
            "cutoffs": [list(pair) for pair in ordering.cutoffs],
            "biases": probe.biases.tolist(),
            "constant": int(train.constant().sum()),
            "train": {**describe_words(train), "accuracy": _right(train, probe)},
            "dev": None if dev is None else _described(dev, probe),
            "evaluation": _evaluation(request, train, dev, test, probe),
        },
    )


def _as_fitted(theta: np.ndarray, biases: np.ndarray) -> FittedProbe:
    size = theta.shape[1]
    return FittedProbe(theta.astype(np.float64), biases.astype(np.float64), np.zeros(size), np.ones(size))


def _described(words: LabelledWords, probe: FittedProbe) -> dict[str, Any]:
    return {"words": len(words), "left_out": dict(words.left_out), "accuracy": _right(words, probe)}


def _right(words: LabelledWords, probe: FittedProbe) -> float:
    return accuracy(predict(words.values, [(probe, None)])[0], words.codes)


def _evaluation(
    request: Request,
    train: LabelledWords,
    dev: LabelledWords | None,
    test: LabelledWords | None,
    probe: FittedProbe,
) -> dict[str, Any] | None:
    """How well the probe does on ``test``, else on ``dev``; accuracies from 0 to 1."""
    words, held = (dev, request.dev) if test is None else (test, request.test)
    if words is None or held is None:
        return None
    predicted = predict(words.values, [(probe, None)])[0]
    scores, there = label_scores(predicted, words.codes, len(words.labels))
    right = np.bincount(words.codes[predicted == words.codes], minlength=len(words.labels))
    commonest = int(np.bincount(train.codes).argmax())
    labels = {
        name: {
            "words": int(count),
            "accuracy": float(hits / count) if count else None,
            "f1": float(score) if count else None,
        }
        for name, count, hits, score in zip(words.labels, there, right, scores, strict=True)
    }
    return {
        "majority": accuracy(np.full(len(words), commonest), words.codes),
        "full": {
            "accuracy": accuracy(predicted, words.codes),
            "macro_f1": float(np.nanmean(scores)),
            "labels": labels,
        },
        "on": "dev" if test is None else "test",
        "test_words": len(words),
        "test_sentences": len(np.unique(words.sentences)),
        "left_out": dict(words.left_out),
        "leakage": measure_leakage(
            request.activations.corpus, np.unique(train.sentences), held.corpus, np.unique(words.sentences)
        ),
    }


METHOD = Method(
    name="neurox",
    summary="weights of NeuroX 1.0.9's probe, trained and ordered as there [NeuroX]",
    function=neurox,
    options=NeuroxOptions,
    needs_label=True,
    takes_heldout=True,
    takes_memory=True,
)
