"""How far an LCA ranking depends on its sentences: the probe fitted again to draws of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from onegrain.core.ordering import order_by_score
from onegrain.core.progress import Progress, automatic
from onegrain.core.selection import (
    mean_jaccard,
    rank_correlations,
    selection_stability,
    split_stability,
)
from onegrain.errors import ParameterError
from onegrain.evaluation.source_words import options_of, require_whole, training_words
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory, read_size
from onegrain.rankings.elastic_net.draws import draws_bytes, solve_draws
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, solve
from onegrain.rankings.elastic_net.stochastic import Schedule
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.stability import KINDS, Stability, neuron_frame, summary_frame

__all__ = ["stability"]

ATTEMPTS = 1000
COUNTS = (10, 20, 50)
SHARES = (0.01, 0.05, 0.1, 0.2)
NEAR = 0.1


def stability(
    ranking: Ranking,
    activations: Activations,
    *,
    resamples: int = 20,
    k: Sequence[int] | None = None,
    seed: int = 0,
    level: float = 0.95,
    tolerance: float = 1e-2,
    memory: int | str | None = None,
    device: str | None = None,
    progress: Progress = automatic,
) -> Stability:
    """Fit a ranking's probe again to draws of its training sentences, and with other seeds; compare the orders.

    Whole sentences are drawn, in two ways: ``bootstrap``, as many as there are, with replacement [Efron and
    Tibshirani 1993]; and ``halves``, split at random in two, with a probe for each half, as in complementary
    pairs stability selection [Shah and Samworth, JRSS B 75(1), 2013]. Draws of the bootstrap share sentences
    and so also the accidents of the corpus: even noise is ordered somewhat alike. The two halves of a split
    share none, so what they agree on is in the language, as far as half of the words tell.

    ``seeds`` leaves the sentences alone and solves from nothing with another order of the words: what varies is
    what the tolerance leaves open. A small probe, which the solver needs no random steps for, does not vary.

    Every probe has the ranking's penalties; those of drawn sentences start from the ranking's own weights and
    are solved together, a draw being a weight for each word (draws.py). Penalties are not chosen again, and
    standardised neurons keep the scale of all training words. A draw in which a label has no word is drawn
    again. The same arguments give the same record.

    Args:
        ranking: made by ``lca``, whole (not of one label).
        activations: those that it was made from, with the same labels.
        resamples: draws of the bootstrap, splits, and seeds; 2 or more. Four probes are fitted for each.
        k: sizes of top sets; by default 10, 20 and 50, as far as that is fewer than all, and 1, 5, 10 and 20 %
            of the neurons, less what is nearly the same.
        seed: of the draws.
        level: share of the draws that ``low`` and ``high`` enclose, between 0 and 1; with few draws they are
            rough. They say how much the draws of this corpus differ, and are no confidence intervals of what
            another corpus would give: docs/validity.md says how often they hold that.
        tolerance: relative duality gap of the probes. What it leaves open adds to what the draws differ by, and
            is small beside it at the default; ``seeds`` shows how much it is.
        memory: what this process may hold in all, see :func:`onegrain.rank`.
        device: where to compute, see :func:`onegrain.rank`.
        progress: listens to the fits.

    Returns:
        Ranks, top sets and their stability; see :class:`onegrain.Stability`.

    Raises:
        ParameterError: no whole LCA ranking, an impossible value, or draws that keep losing a label.
        MismatchError: the activations or their labels are not those of the ranking.
    """
    require_whole(ranking)
    ks = _sizes(k, ranking.space.size)
    _require_options(resamples, seed, level, tolerance)
    limit = None if memory is None else read_size(memory)
    storage = Memory(limit, device=device or "cpu")
    shape = activations.n_words, activations.n_neurons, len(ranking.labels)
    storage.reserve(draws_bytes(shape, 2 * resamples), "a group of draws")
    words = training_words(ranking, activations, storage)
    refit = _Refit(ranking, words, storage, tolerance, max(ks))
    found: dict[str, _Draws] = {}
    with progress("fit probes to draws", 4 * resamples, "probes") as advance:
        for number, kind in enumerate(KINDS):
            rngs = [np.random.default_rng([seed, number, draw]) for draw in range(resamples)]
            found[kind] = refit.run(kind, rngs, advance)
    parameters = {
        "analysis": "stability", "resamples": resamples, "k": list(ks), "level": level, "tolerance": tolerance,
    }  # fmt: skip
    made = ranking.provenance
    return Stability(
        method=ranking.method,
        space=ranking.space,
        neurons=neuron_frame(
            ranking, {kind: one.columns(ks, level) for kind, one in found.items()}
        ),
        likeness=_summary(found, ranking.labels, ks, level),
        correlations={kind: one.correlations() for kind, one in found.items()},
        level=level,
        provenance=Provenance(
            stage="analyse", model=made.model, corpus=made.corpus, sites=made.sites, parameters=parameters,
            seed=seed, inputs=(made,),
        ),
        details={
            "probes": {kind: len(one.ranks) for kind, one in found.items()},
            "sentences": refit.n_sentences,
            "words": len(words),
            "constant": int((~refit.changing).sum()),
            "largest_gap": {kind: one.largest_gap for kind, one in found.items()},
            "redrawn": {kind: one.redrawn for kind, one in found.items()},
            "not_converged": {kind: one.not_converged for kind, one in found.items()},
        },
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Draws:
    """The orders of one kind of draws.

    Attributes:
        ranks: float64 (draws, neurons), from 1; neurons without weight share their middle rank.
        with_weight: bool (draws, neurons).
        tops: int64 (draws, labels, largest k), each label's first neurons; -1 after the last with a weight.
        changing: bool (neurons,), those that are not the same at every training word.
        pairs: int64 (pairs, 2), the draws to compare; None for every two.
        redrawn: how many draws lost a label.
        not_converged: how many probes missed their tolerance.
        largest_gap: of the probes' relative duality gaps; None without penalties.
    """

    ranks: np.ndarray
    with_weight: np.ndarray
    tops: np.ndarray
    changing: np.ndarray
    pairs: np.ndarray | None
    redrawn: int
    not_converged: int
    largest_gap: float | None

    def selected(self, k: int, label: int | None = None) -> np.ndarray:
        """bool (draws, neurons): the first k neurons with a weight, in all or for one label."""
        if label is None:
            return (self.ranks <= k) & self.with_weight
        chosen = np.zeros((len(self.ranks), self.ranks.shape[1] + 1), dtype=bool)
        np.put_along_axis(chosen, self.tops[:, label, :k], True, axis=1)
        return chosen[:, :-1]

    def columns(self, ks: tuple[int, ...], level: float) -> dict[str, np.ndarray]:
        """What the draws say of every neuron, by flat index."""
        low, median, high = np.quantile(self.ranks, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)
        found = {"median": median, "low": low, "high": high, "with_weight": self.with_weight.mean(axis=0)}
        return found | {f"top:{k}": self.selected(k).mean(axis=0) for k in ks}

    def likeness(self, k: int, label: int | None, level: float) -> tuple[float, ...]:
        """Jaccard, Phi with its bounds, and mean size of the top sets."""
        selected = self.selected(k, label)[:, self.changing]
        if self.pairs is None:
            phi = selection_stability(selected, level)
        else:
            phi = split_stability(selected, self.pairs, level)
        return mean_jaccard(selected, self.pairs), *phi, float(selected.sum(axis=1).mean())

    def correlations(self) -> dict[str, float]:
        """Mean rank correlations between draws."""
        spearman, kendall = rank_correlations(self.ranks[:, self.changing], self.pairs)
        return {"spearman": spearman, "kendall": kendall}


class _Refit:
    """Fits a ranking's probe to weighted sentences."""

    def __init__(
        self, ranking: Ranking, words: LabelledWords, memory: Memory, tolerance: float, most: int
    ) -> None:
        self.words, self.most = words, most
        known, self.number = np.unique(words.sentences, return_inverse=True)
        self.n_sentences, self.n_labels = len(known), len(words.labels)
        if self.n_sentences < 2:
            raise ParameterError("stability needs training words in two sentences or more, there is one")
        self.data = ProbeData(words.values, words.codes, self.n_labels, memory=memory)
        self.changing = self.data.spread > 0.0
        if not self.changing.any():
            raise ParameterError("no neuron changes over the training words, so there is no order to compare")
        made = options_of(ranking)
        self.options = SolverOptions(tolerance, made.max_steps, made.max_free_steps)
        self.pair = ranking.details["lambda1"], ranking.details["lambda2"]
        self.seed = ranking.provenance.seed or 0
        weights = np.asarray(ranking.weights, dtype=np.float64)
        self.start = weights, np.array(ranking.details["biases"]) + weights @ self.data.mean

    def run(self, kind: str, rngs: Sequence[np.random.Generator], advance: Callable[[int], None]) -> _Draws:
        """One draw of a kind for each generator."""
        drawn = [self.draw(DRAWN[kind], rng) for rng in rngs]
        parts = np.stack([counts for found, _ in drawn for counts in found])
        if kind == "seeds":
            found = [self.solve(int(rng.integers(2**31)), advance) for rng in rngs]
        else:
            often = parts[:, self.number].astype(np.float64)
            found = [solve_draws(self.data, self.pair, often, self.start, self.options, advance)]
        gaps = np.concatenate([solution.gap for solution in found])
        return _Draws(
            *_orders(
                np.concatenate([solution.weights for solution in found]),
                self.words.labels,
                self.most,
                self.seed,
            ),
            self.changing,
            pairs=None if len(parts) == len(rngs) else np.arange(len(parts)).reshape(-1, 2),
            redrawn=sum(count for _, count in drawn),
            not_converged=sum(int((~solution.converged).sum()) for solution in found),
            largest_gap=None if np.isnan(gaps).any() else float(gaps.max()),
        )

    def draw(self, drawn: Drawn, rng: np.random.Generator) -> tuple[tuple[np.ndarray, ...], int]:
        """How often each sentence comes, in each part of a draw; and how many draws before it lost a label."""
        lost = ""
        for again in range(ATTEMPTS):
            parts = drawn(rng, self.n_sentences)
            words = [np.bincount(self.words.codes, counts[self.number], self.n_labels) for counts in parts]
            if np.all(words):
                return parts, again
            lost = self.words.labels[int(np.min(words, axis=0).argmin())]
        raise ParameterError(
            f"{ATTEMPTS} draws of the sentences each lost a label, the last {lost!r}; its words stand in too "
            "few sentences: rank with a higher min_count"
        )

    def solve(self, seed: int, advance: Callable[[int], None]) -> Solution:
        """The probe of all words, solved from nothing with a seed of its own."""
        options = replace(self.options, schedule=Schedule(seed=seed))
        found = solve(self.data, Penalties.of(self.pair), options)
        advance(1)
        return found


def _orders(
    weights: np.ndarray, labels: Sequence[str], most: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ranks, which weights are there, and tops (see :class:`_Draws`), equal neurons as in the ranking.

    Args:
        weights: (draws, labels, neurons).
        labels: names of the labels.
        most: neurons of a label's top.
        seed: of the ranking, which drew the order of equal neurons.
    """
    draws, _, neurons = weights.shape
    ranks = np.empty((draws, neurons))
    tops = np.empty((draws, len(labels), most), dtype=np.int64)
    for draw, probe in enumerate(weights):
        ordering = order_neurons(probe, seed=seed)
        ranks[draw] = (ordering.n_ranked + 1 + neurons) / 2.0
        ranks[draw, ordering.order[: ordering.n_ranked]] = np.arange(1.0, ordering.n_ranked + 1.0)
        for top, label, sizes in zip(tops[draw], labels, np.abs(probe), strict=True):
            best = order_by_score(sizes, seed, stream=label)[:most]
            top[:] = np.where(sizes[best] > 0.0, best, -1)
    return ranks, (weights != 0.0).any(axis=1), tops


Drawn = Callable[[np.random.Generator, int], tuple[np.ndarray, ...]]
"""Draws of so many sentences: for each part int64 (sentences,), how often a sentence comes."""


def _with_replacement(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    return (np.bincount(rng.integers(0, sentences, size=sentences), minlength=sentences),)


def _halves(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    counts = np.zeros(sentences, dtype=np.int64)
    counts[rng.permutation(sentences)[: sentences // 2]] = 1
    return counts, 1 - counts


def _as_they_are(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    return (np.ones(sentences, dtype=np.int64),)


DRAWN: dict[str, Drawn] = dict(zip(KINDS, (_with_replacement, _halves, _as_they_are), strict=True))


def _summary(
    found: dict[str, _Draws], labels: tuple[str, ...], ks: tuple[int, ...], level: float
) -> pd.DataFrame:
    every = [(None, None), *((at, label) for at, label in enumerate(labels))]
    return summary_frame(
        [
            (kind, label, k, *draws.likeness(k, at, level))
            for kind, draws in found.items()
            for at, label in every
            for k in ks
        ]
    )


def _sizes(k: Sequence[int] | None, neurons: int) -> tuple[int, ...]:
    """The sizes of top sets, ascending, each once."""
    if k is None:
        every = [one for one in COUNTS if one < neurons]
        for size in (round(share * neurons) for share in SHARES):
            if size and all(abs(size - one) > NEAR * one for one in every):
                every.append(size)
        return tuple(sorted(every)) or (1,)
    given = sorted({int(one) for one in k})
    if not given or given[0] < 1 or given[-1] > neurons:
        raise ParameterError(f"k must be sizes of top sets from 1 to {neurons}, got {list(k)}")
    return tuple(given)


def _require_options(resamples: int, seed: int, level: float, tolerance: float) -> None:
    for name, value, least in (("resamples", resamples, 2), ("seed", seed, 0)):
        if isinstance(value, bool) or int(value) != value or value < least:
            raise ParameterError(f"{name} must be a whole number from {least}, got {value!r}")
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
    if not 0.0 < tolerance <= 1.0:
        raise ParameterError(f"tolerance must lie above 0, up to 1, got {tolerance}")
