"""Uniqueness of a ranking's first neurons: rank, take the first away, rank what is left, and repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.evaluation.evaluate import ELASTIC_NET, fitted_probe, majority_accuracy, probe_options
from onegrain.evaluation.options import EvaluationOptions
from onegrain.evaluation.rounds import (
    LEVEL,
    Ranker,
    Tester,
    draw_sets,
    rounds_table,
    run_rounds,
    sufficient_size,
)
from onegrain.evaluation.words import EvaluationInput
from onegrain.rankings.data.labelled import held_out
from onegrain.rankings.labels import require_labels
from onegrain.rankings.registry import method as find_method
from onegrain.records.activations import Activations
from onegrain.records.labels import UNLABELLED, LabelLayer
from onegrain.records.provenance import Provenance
from onegrain.records.uniqueness import Uniqueness

__all__ = ["uniqueness"]

WITHOUT_USE = ("counts", "shares", "kinds", "keep", "random_orders")


def uniqueness(
    method: str,
    activations: Activations,
    test: Activations | None = None,
    *,
    label: str,
    k: int | None = None,
    rounds: int = 10,
    delta: float = 0.01,
    random_sets: int = 5,
    ranking: Mapping[str, Any] | None = None,
    seed: int = 0,
    memory: int | str | None = None,
    device: str | None = None,
    progress: Progress = automatic,
    **parameters: Any,
) -> Uniqueness:
    """Rank the neurons, test and take away the first k, and repeat with what is left.

    In each round a new probe of the k neurons alone is compared with the probe of all neurons. The number of
    rounds in which it stays within delta says how unique the ranking is: after one, the property lives in these
    neurons and nowhere else; after many, the ranking is one of many that serve as well (arXiv 2605.12671).
    Beside it stands a new probe of all neurons that are left, which says whether the property is still there,
    spread over more neurons, and probes of k random neurons.

    Args:
        method: the ranking method. One that learns from labels ranks from the training sentences alone.
        activations: the words that are ranked from, and that probes learn from.
        test: the words that probes are tested on; if None, ``test_share`` of the sentences of ``activations``.
        label: the label layer.
        k: how many neurons each round takes away; by default the first of 1, 2, 5, 10, 20, ... that is within
            delta in the first round. It is then chosen on the tested words, which flatters that round a little.
        rounds: the largest number of rounds; fewer if the neurons run out.
        delta: the accuracy that may be lost, from 0 to 1; the default is one percentage point [Durrani20].
        random_sets: the number of random sets of k neurons that are tested for comparison.
        ranking: parameters of the method by name.
        seed: seed of splits, of the rankings, of random sets and of the bootstrap. Without ``test`` the
            rankings have the next seed, so that a method which holds out sentences itself takes others.
        memory: bytes that this process may hold in total; see :func:`onegrain.rank`.
        device: where to compute; see :func:`onegrain.rank`.
        progress: receives the number of rounds done.
        parameters: those of the probe ``elastic-net``, such as ``lambda1`` and ``lambda2``, and
            ``standardize``, ``min_count``, ``max_words``, ``test_share`` and ``resamples``; see
            :func:`onegrain.evaluate`.

    Raises:
        ParameterError: a value is impossible, or the method compares models or needs a running one.
        LabelError: the label layer does not exist, or has too few labels.
        MismatchError: ``test`` is of other neurons, or of the same words.
    """
    inputs = EvaluationInput(activations, test, None, label, seed)
    options, net = _checked(method, inputs, k, rounds, delta, random_sets, parameters)
    fitted, words = fitted_probe(ELASTIC_NET, net, inputs, options, memory, device, progress)
    ranking_seed = seed if test is not None else seed + 1
    ranker = Ranker(
        method, _training_view(inputs, options), label, ranking_seed, memory, device, dict(ranking or {})
    )
    tester = Tester(fitted, words)
    full = tester.correct_full(activations.n_neurons)
    with progress("uniqueness", rounds, "rounds") as advance:
        order, ranked = ranker.order(np.arange(activations.n_neurons))
        size = k or sufficient_size(tester, order, full, delta)
        measured = list(run_rounds(tester, ranker, (order, ranked), size, rounds, advance))
        randoms = tester.correct(draw_sets(activations.n_neurons, size, random_sets, seed))
    table, full_facts = rounds_table(measured, full, words, delta, options.resamples, seed)
    accuracies = [float(correct.mean()) for correct in randoms]
    return Uniqueness(
        method=method,
        layer=label,
        space=activations.space,
        k=size,
        delta=float(delta),
        full=full_facts,
        rounds=table,
        level=LEVEL,
        provenance=_provenance(method, inputs, k, rounds, delta, random_sets, ranker.parameters, parameters),
        details={
            "removed": [entry.neurons.tolist() for entry in measured],
            "majority": majority_accuracy(words),
            "random": {
                "accuracy": float(np.mean(accuracies)),
                "low": min(accuracies),
                "high": max(accuracies),
            },
            "random_sets": random_sets,
            "chosen_k": k is None,
            "probe": fitted.facts(),
            "words": len(words.test),
            "sentences": len(np.unique(words.test.sentences)),
        },
    )


def _checked(
    method: str,
    inputs: EvaluationInput,
    k: int | None,
    rounds: int,
    delta: float,
    random_sets: int,
    parameters: dict[str, Any],
) -> tuple[EvaluationOptions, Any]:
    """Return the options of the probe, after checking everything that can be checked before any work."""
    entry = find_method(method)
    if entry.needs_others or entry.needs_model:
        needs = "compares models" if entry.needs_others else "needs a running model"
        raise ParameterError(f"{method} {needs}; uniqueness ranks the neurons of a store by their words")
    inputs.require()
    neurons = inputs.train.n_neurons
    if k is not None:
        require_count("k", k, 1, neurons)
    require_count("rounds", rounds)
    require_count("random_sets", random_sets)
    if not 0.0 <= delta <= 1.0:
        raise ParameterError(f"delta must be an accuracy from 0 to 1, got {delta}")
    for name in WITHOUT_USE:
        if name in parameters:
            raise ParameterError(f"uniqueness takes no {name}; k and rounds say which neurons are tested")
    options, net = probe_options(ELASTIC_NET, parameters)
    require_labels(inputs.train, inputs.label, options.min_count)
    return options, net


def _training_view(inputs: EvaluationInput, options: EvaluationOptions) -> Activations:
    """Return the activations without the labels of the tested sentences, which no ranking may see."""
    train = inputs.train
    if inputs.test is not None:
        return train
    layer = train.layer(inputs.label)
    tested = held_out(train, options.test_share, inputs.seed)[train.corpus.sentence_of_word]
    codes = np.where(tested, UNLABELLED, layer.codes).astype(layer.codes.dtype)
    return replace(train, corpus=train.corpus.with_layer(LabelLayer(layer.name, codes, layer.vocabulary)))


def _provenance(
    method: str,
    inputs: EvaluationInput,
    k: int | None,
    rounds: int,
    delta: float,
    random_sets: int,
    ranking: dict[str, Any],
    parameters: dict[str, Any],
) -> Provenance:
    """Return the provenance of a uniqueness of these words."""
    train, test = inputs.train, inputs.test
    return Provenance(
        stage="uniqueness",
        model=train.provenance.model,
        corpus=(test or train).provenance.corpus,
        sites=train.space.sites,
        parameters={
            "method": method,
            "label": inputs.label,
            "k": k,
            "rounds": rounds,
            "delta": float(delta),
            "random_sets": random_sets,
            "ranking": ranking,
            "probe": parameters,
        },
        seed=inputs.seed,
        inputs=tuple(words.provenance for words in (train, test) if words is not None),
    )
