"""Uniqueness of a ranking's first neurons: rank, take the first away, rank what is left, and repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.bootstrap import bootstrap_ratios, quantile_interval
from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic, ignore
from onegrain.errors import ParameterError
from onegrain.evaluation.evaluate import ELASTIC_NET, fitted_probe, majority_accuracy, probe_options
from onegrain.evaluation.options import EvaluationOptions
from onegrain.evaluation.probes import EvaluationProbe
from onegrain.evaluation.words import EvaluationInput, ProbeWords
from onegrain.rankings.data.labelled import held_out
from onegrain.rankings.labels import require_labels
from onegrain.rankings.registry import method as find_method
from onegrain.rankings.run import rank
from onegrain.records.activations import Activations
from onegrain.records.labels import UNLABELLED, LabelLayer
from onegrain.records.provenance import Provenance
from onegrain.records.space import NeuronSpace
from onegrain.records.uniqueness import ROUNDS, Uniqueness

__all__ = ["uniqueness"]

LEVEL = 0.95
STEPS = (1, 2, 5)
"""Sizes of top sets that are tried if none is given: 1, 2, 5, 10, 20, 50, ..."""
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
    ranker = _Ranker(
        method, _training_view(inputs, options), label, ranking_seed, memory, device, dict(ranking or {})
    )
    tester = _Tester(fitted, words)
    full = tester.correct_full(activations.n_neurons)
    with progress("uniqueness", rounds, "rounds") as advance:
        order, ranked = ranker.order(np.arange(activations.n_neurons))
        size = k or _sufficient(tester, order, full, delta)
        measured = list(_rounds(tester, ranker, (order, ranked), size, rounds, advance))
        randoms = tester.correct(_random_sets(activations.n_neurons, size, random_sets, seed))
    table, full_facts = _table(measured, full, words, delta, options.resamples, seed)
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


@dataclass(frozen=True, eq=False)
class _Ranker:
    """Ranks some of the neurons of the activations, as if there were no others."""

    method: str
    activations: Activations
    label: str
    seed: int
    memory: int | str | None
    device: str | None
    chosen: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the method; lca does not evaluate its own probe."""
        return ({"evaluate": False} if self.method == "lca" else {}) | self.chosen

    def order(self, neurons: np.ndarray) -> tuple[np.ndarray, int]:
        """Return neurons (int64, ascending) in the order of their ranking, and how many of them are ranked."""
        entry = find_method(self.method)
        taken = {
            "label": (self.label, entry.needs_label),
            "memory": (self.memory, entry.takes_memory),
            "device": (self.device, entry.takes_device),
        }
        given: dict[str, Any] = {name: value for name, (value, is_taken) in taken.items() if is_taken}
        view = _view(self.activations, neurons)
        ranking = rank(self.method, view, seed=self.seed, **given, **self.parameters)
        return neurons[ranking.order], ranking.n_ranked


def _view(activations: Activations, neurons: np.ndarray) -> Activations:
    """Return a view of some neurons (int64, ascending) of activations, without reading anything."""
    units = activations.space.by_site(neurons)
    space = NeuronSpace(tuple(units), tuple(len(chosen) for chosen in units.values()))
    columns = neurons if activations.columns is None else activations.columns[neurons]
    return replace(activations, space=space, columns=columns)


@dataclass(frozen=True, eq=False)
class _Tester:
    """Tells which tested words new probes of some neurons get right."""

    probe: EvaluationProbe
    words: ProbeWords

    def correct_full(self, neurons: int) -> np.ndarray:
        """Return which tested words the probe of all neurons gets right, bool (words,)."""
        right: np.ndarray = self.probe.masked([np.arange(neurons)])[0] == self.words.test.codes
        return right

    def correct(self, sets: list[np.ndarray]) -> list[np.ndarray]:
        """Return the same for a new probe of each set of neurons alone."""
        predicted = self.probe.alone([np.sort(neurons) for neurons in sets], ignore)
        return [labels == self.words.test.codes for labels in predicted]


@dataclass(frozen=True, eq=False)
class _Round:
    """A round: its neurons, how many were ranked in it, and which tested words the two probes get right."""

    neurons: np.ndarray
    left: int
    ranked: int
    correct: np.ndarray
    rest: np.ndarray | None


def _rounds(
    tester: _Tester, ranker: _Ranker, first: tuple[np.ndarray, int], size: int, rounds: int, advance: Any
) -> Iterator[_Round]:
    """Yield each round; the ranking of the first is given."""
    order, ranked = first
    for number in range(rounds):
        if number:
            order, ranked = ranker.order(np.sort(order[size:]))
        top, rest = order[:size], order[size:]
        correct = tester.correct([top, rest] if len(rest) else [top])
        yield _Round(top, len(order), min(ranked, size), correct[0], correct[1] if len(rest) else None)
        advance(1)
        if len(rest) < size:
            return


def _sufficient(tester: _Tester, order: np.ndarray, full: np.ndarray, delta: float) -> int:
    """Return the first size of top set whose probe is within delta, or else about half of the neurons."""
    largest = max(1, len(order) // 2)
    sizes = [step * 10**power for power in range(12) for step in STEPS if step * 10**power <= largest]
    for size in sizes:
        (correct,) = tester.correct([order[:size]])
        if full.mean() - correct.mean() <= delta:
            return size
    return sizes[-1]


def _random_sets(neurons: int, size: int, sets: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    return [rng.permutation(neurons)[:size] for _ in range(sets)]


def _table(
    measured: list[_Round], full: np.ndarray, words: ProbeWords, delta: float, resamples: int, seed: int
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the table of rounds and the accuracy of the full probe, with intervals from the same draws."""
    _, place, counts = np.unique(words.test.sentences, return_inverse=True, return_counts=True)
    nothing = np.full(len(full), np.nan)
    columns = [full, *(entry.correct for entry in measured)]
    columns += [nothing if entry.rest is None else entry.rest for entry in measured]
    known = np.stack(columns, axis=1).astype(np.float64)
    sums = np.stack(
        [np.bincount(place, weights=np.nan_to_num(column), minlength=len(counts)) for column in known.T], axis=1
    )
    draws = bootstrap_ratios(sums, counts, resamples=resamples, seed=seed)
    values = known.mean(axis=0)
    draws[:, np.isnan(values)] = np.nan
    low, high = quantile_interval(draws, LEVEL)
    losses = draws[:, :1] - draws
    loss_low, loss_high = quantile_interval(losses, LEVEL)
    rows = []
    for number, entry in enumerate(measured, start=1):
        rest = len(measured) + number
        loss = values[0] - values[number]
        rows.append(
            (
                number, entry.left, entry.ranked,
                values[number], low[number], high[number],
                loss, loss_low[number], loss_high[number], bool(loss <= delta + 1e-12),
                values[rest], low[rest], high[rest],
            )
        )  # fmt: skip
    facts = {"accuracy": float(values[0]), "low": float(low[0]), "high": float(high[0])}
    return pd.DataFrame(rows, columns=ROUNDS), facts


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
