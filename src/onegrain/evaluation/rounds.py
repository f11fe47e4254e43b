"""Rounds of a uniqueness: rank some neurons, test the first of them with new probes, take them away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.bootstrap import bootstrap_ratios, quantile_interval
from onegrain.core.progress import ignore
from onegrain.evaluation.probes import EvaluationProbe
from onegrain.evaluation.words import ProbeWords
from onegrain.rankings.registry import method as find_method
from onegrain.rankings.run import rank
from onegrain.records.activations import Activations
from onegrain.records.space import NeuronSpace
from onegrain.records.uniqueness import ROUNDS

__all__ = ["LEVEL", "Ranker", "Tester", "draw_sets", "rounds_table", "run_rounds", "sufficient_size"]

LEVEL = 0.95
STEPS = (1, 2, 5)
"""Sizes of top sets that are tried if none is chosen: 1, 2, 5, 10, 20, 50, ..."""


@dataclass(frozen=True, eq=False)
class Ranker:
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
        arguments: dict[str, Any] = {name: value for name, (value, is_taken) in taken.items() if is_taken}
        view = _view(self.activations, neurons)
        ranking = rank(self.method, view, seed=self.seed, **arguments, **self.parameters)
        return neurons[ranking.order], ranking.n_ranked


def _view(activations: Activations, neurons: np.ndarray) -> Activations:
    """Return a view of some neurons (int64, ascending) of activations, without reading anything."""
    units = activations.space.by_site(neurons)
    space = NeuronSpace(tuple(units), tuple(len(chosen) for chosen in units.values()))
    columns = neurons if activations.columns is None else activations.columns[neurons]
    return replace(activations, space=space, columns=columns)


@dataclass(frozen=True, eq=False)
class Tester:
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
class Round:
    """A round: its neurons, how many were ranked in it, and which tested words the two probes get right."""

    neurons: np.ndarray
    left: int
    ranked: int
    correct: np.ndarray
    rest: np.ndarray | None


def run_rounds(
    tester: Tester,
    ranker: Ranker,
    first: tuple[np.ndarray, int],
    size: int,
    rounds: int,
    advance: Callable[[int], None],
) -> Iterator[Round]:
    """Yield each round; ``first`` is the ranking of the first and how many neurons it ranks."""
    order, ranked = first
    for number in range(rounds):
        if number:
            order, ranked = ranker.order(np.sort(order[size:]))
        top, rest = order[:size], order[size:]
        correct = tester.correct([top, rest] if len(rest) else [top])
        yield Round(top, len(order), min(ranked, size), correct[0], correct[1] if len(rest) else None)
        advance(1)
        if len(rest) < size:
            return


def sufficient_size(tester: Tester, order: np.ndarray, full: np.ndarray, delta: float) -> int:
    """Return the first size of top set whose probe is within delta, or else about half of the neurons."""
    largest = max(1, len(order) // 2)
    sizes = [step * 10**power for power in range(12) for step in STEPS if step * 10**power <= largest]
    for size in sizes:
        (correct,) = tester.correct([order[:size]])
        if full.mean() - correct.mean() <= delta:
            return size
    return sizes[-1]


def draw_sets(neurons: int, size: int, sets: int, seed: int) -> list[np.ndarray]:
    """Return random sets of ``size`` neurons, int64 flat indices each."""
    rng = np.random.default_rng([seed, 1])
    return [rng.permutation(neurons)[:size] for _ in range(sets)]


def rounds_table(
    measured: list[Round], full: np.ndarray, words: ProbeWords, delta: float, resamples: int, seed: int
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
