"""The ``neurox`` preset: the rankings of NeuroX 1.0.9, computed from a store."""

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
from onegrain.rankings.elastic_net.predictions import predict
from onegrain.rankings.elastic_net.probe import FittedProbe
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
"""Bytes besides tables: per weight, per neuron of a block of words, and for reading a store."""


def neurox(request: Request) -> Ranking:
    """Rank neurons by the weights of a linear probe, trained and ordered as in NeuroX 1.0.9.

    training.py describes the probe's objective and training, ordering.py the order of the neurons. All words
    with an activation and a label are used for training, in the order of the corpus, and none is held out;
    labels are numbered in sorted order. As in NeuroX, a label is learned even from few words, unless
    ``min_count`` is raised. No parameter is chosen on held-out words, so ``dev`` and ``test`` are only scored;
    ``evaluation`` reports ``test`` if given, else ``dev``. Held-out words whose label was not learned are left
    out and counted.

    Scores fall with each step of NeuroX's selection; ``label_scores`` are |theta|, ``weights`` theta. As in
    NeuroX, a constant neuron is ranked by its weight, which is random or acts as a second bias;
    ``details["constant"]`` counts constant neurons.

    ``details``: ``lambda1``, ``lambda2``, ``cutoffs`` ([p, neurons] pairs), ``biases``, ``train`` (words,
    left_out, labels_left_out, label_words, accuracy), ``dev`` (words, left_out, accuracy; None if not given)
    and ``evaluation`` (like that of ``lca``, with ``leakage`` and each label's accuracy, but without intervals,
    masking and retraining; None without held-out words).

    Raises:
        ParameterError: an activation is not finite, the memory budget is too small, or training diverged.
        LabelError: the layer does not exist, or fewer than two labels have words.
        MismatchError: the held-out words belong to other neurons, or are the training words.
    """
    options: NeuroxOptions = request.options
    activations, layer = request.activations, str(request.label)
    require_labels(activations, layer, options.min_count)
    for held_out in (request.dev, request.test):
        if held_out is not None:
            require_held_out(activations, held_out)
    memory = Memory(request.memory)
    weights = activations.n_neurons * len(activations.layer(layer).vocabulary)
    memory.reserve(READING_BYTES + NEURON_BYTES * activations.n_neurons + WEIGHT_BYTES * weights, "a probe")
    train = read_labelled(
        activations, layer, np.ones(activations.corpus.n_sentences, dtype=bool), options.min_count, memory
    )
    with request.progress("train the probe", options.epochs * len(train), "words") as advance:
        theta, biases = train_probe(
            train.values, train.codes, len(train.labels), options, request.seed, advance
        )
    if not (np.isfinite(theta).all() and np.isfinite(biases).all()):
        raise ParameterError(
            f"training diverged with learning_rate={options.learning_rate:g}: weights are not finite; lower it"
        )
    probe = _as_fitted(theta, biases)
    selection = order_as_neurox(theta, options.search_stride, request.seed)
    dev, test = (
        None if held_out is None else read_matching(held_out, layer, train.labels, memory=memory)
        for held_out in (request.dev, request.test)
    )
    return Ranking(
        method="neurox",
        space=activations.space,
        order=selection.order,
        scores=selection.scores,
        n_ranked=selection.n_ranked,
        provenance=request.provenance("neurox"),
        layer=layer,
        labels=train.labels,
        label_scores=np.abs(probe.weights),
        weights=probe.weights,
        details={
            "lambda1": options.lambda1,
            "lambda2": options.lambda2,
            "cutoffs": [list(pair) for pair in selection.cutoffs],
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
    """Return the scores of the probe on ``test``, or else on ``dev``; accuracies are from 0 to 1."""
    words, held_out = (dev, request.dev) if test is None else (test, request.test)
    if words is None or held_out is None:
        return None
    predicted = predict(words.values, [(probe, None)])[0]
    scores, counts = label_scores(predicted, words.codes, len(words.labels))
    hits = np.bincount(words.codes[predicted == words.codes], minlength=len(words.labels))
    most_common = int(np.bincount(train.codes).argmax())
    labels = {
        name: {
            "words": int(count),
            "accuracy": float(label_hits / count) if count else None,
            "f1": float(score) if count else None,
        }
        for name, count, label_hits, score in zip(words.labels, counts, hits, scores, strict=True)
    }
    return {
        "majority": accuracy(np.full(len(words), most_common), words.codes),
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
            request.activations.corpus, np.unique(train.sentences), held_out.corpus, np.unique(words.sentences)
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
