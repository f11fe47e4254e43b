"""Rankings from counts; several methods share one pass over the words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64

from onegrain.rankings.labels import MIN_COUNT
from onegrain.rankings.request import Request
from onegrain.rankings.univariate.counting.counts import Counts, Needs, count
from onegrain.rankings.univariate.counting.grouped_words import GroupedWords, labelled_words
from onegrain.records.ranking import Ranking

__all__ = [
    "Counting",
    "Scores",
    "Sorted",
    "joined",
    "rank_counted",
    "read_columns",
    "strips",
    "without_constant",
]

STRIP = 128
"""Number of neurons whose histograms a thread scores at once."""
SORTED_BYTES = 2**28
"""Most bytes of values (float32) that are read at once to be sorted."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores that a method gives to some neurons.

    Attributes:
        scores: float64 (neurons,); NaN for a neuron without a score.
        label_scores: float64 (labels, neurons).
        details: arrays (labels, neurons) or (neurons,) by name, which the record keeps with the scores; their
            last axis is in the order of flat indices.
    """

    scores: Float64[np.ndarray, " neurons"]
    label_scores: Float64[np.ndarray, "labels neurons"]
    details: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sorted:
    """The words that count, sorted by the value of one neuron, ascending.

    Attributes:
        codes: int64 (words,), the label of each word.
        first: int64 (words,), the position of the first word with the same value.
        last: int64 (words,), the position of the last word with the same value.
        words: int64 (labels,), number of words of each label.
    """

    codes: Int64[np.ndarray, " words"]
    first: Int64[np.ndarray, " words"]
    last: Int64[np.ndarray, " words"]
    words: Int64[np.ndarray, " labels"]

    @classmethod
    def of(cls, values: np.ndarray, codes: np.ndarray, words: np.ndarray) -> Sorted:
        """Sort the values (words,) and labels (words,) of words in any order."""
        order = np.argsort(values, kind="stable")
        rising = values[order]
        starts = np.flatnonzero(np.append(True, rising[1:] != rising[:-1]))
        sizes = np.diff(starts, append=len(values))
        return cls(codes[order], np.repeat(starts, sizes), np.repeat(starts + sizes - 1, sizes), words)

    def drawn(self, codes: np.ndarray, often: np.ndarray, words: np.ndarray) -> Sorted:
        """Return the words of a draw, without sorting again; ``self.codes`` holds the number of each word.

        Args:
            codes: int64 (words,), the label of each word by its number.
            often: int64 (words,), how often each word occurs in the draw.
            words: int64 (labels,), number of words of each label in the draw.
        """
        times = often[self.codes]
        reached = np.cumsum(times)
        first, last = (reached - times)[self.first], reached[self.last] - 1
        drawn, first, last = (np.repeat(column, times) for column in (codes[self.codes], first, last))
        return Sorted(drawn, first, last, words)


@dataclass(frozen=True)
class Counting:
    """The rule by which a method scores neurons from counts.

    Attributes:
        score: function from the counts of some neurons and the options to their scores.
        needs: statistics besides the means and deviations under each label: ``histogram``, ``positive``,
            ``range``.
        exact: function that scores one neuron from its sorted values, used if ``options.exact`` is true.
        require: raises an error for words that the method cannot score.
        describe: returns further entries for the record's ``details``.
    """

    score: Callable[[Counts, Any], Scores]
    needs: frozenset[Needs] = frozenset()
    exact: Callable[[Sorted, Any], Scores] | None = None
    require: Callable[[GroupedWords], None] | None = None
    describe: Callable[[GroupedWords, Any], dict[str, Any]] | None = None


def rank_counted(jobs: Sequence[tuple[str, Counting, Request]]) -> list[Ranking]:
    """Return the rankings of several methods on the same words and labels, from one pass for each min_count.

    Args:
        jobs: name, way of scoring and request of each method; the requests differ only in their options.
    """
    min_counts = [getattr(request.options, "min_count", MIN_COUNT) for _, _, request in jobs]
    rankings: dict[str, Ranking] = {}
    for min_count in dict.fromkeys(min_counts):
        group = [job for job, least in zip(jobs, min_counts, strict=True) if least == min_count]
        rankings.update(zip([name for name, _, _ in group], _rank_group(group, min_count), strict=True))
    return [rankings[name] for name, _, _ in jobs]


def _rank_group(jobs: Sequence[tuple[str, Counting, Request]], min_count: int) -> list[Ranking]:
    """Return the rankings of methods that leave out the same labels, from one pass."""
    first = jobs[0][2]
    assert first.label is not None, "the registry requires a label"
    words = labelled_words(first.activations, first.label, first.progress, min_count=min_count)
    for _, method, _ in jobs:
        if method.require is not None:
            method.require(words)
    parts: list[list[Scores]] = [[] for _ in jobs]
    n_constant = 0
    exact = [method.exact is not None and request.options.exact for _, method, request in jobs]
    needs = {
        need
        for (_, method, _), is_exact in zip(jobs, exact, strict=True)
        for need in method.needs
        if not is_exact
    }
    for counts in count(words, needs):
        n_constant += int(counts.constant.sum())
        for method_parts, is_exact, (_, method, request) in zip(parts, exact, jobs, strict=True):
            if is_exact:
                scores = _exact_scores(words, counts, method, request)
            else:
                scores = method.score(counts, request.options)
            method_parts.append(without_constant(scores, counts))
    return [
        _ranking(name, method, request, words, method_parts, n_constant)
        for (name, method, request), method_parts in zip(jobs, parts, strict=True)
    ]


def strips(counts: Counts, score: Callable[[np.ndarray, slice], Scores]) -> Scores:
    """Return the scores of all neurons from their histograms, computed strip by strip in parallel threads.

    Args:
        counts: counts with a histogram.
        score: function from the histograms of a strip, int32 (neurons, labels, cells), and its range among the
            neurons of ``counts``, to the scores of the strip.
    """
    assert counts.histogram is not None, "the method asked for no histogram"
    table = counts.histogram
    parts = [slice(start, min(start + STRIP, len(table))) for start in range(0, len(table), STRIP)]
    with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="onegrain-scores") as pool:
        return joined(list(pool.map(lambda part: score(table[part], part), parts)))


def _exact_scores(words: GroupedWords, counts: Counts, method: Counting, request: Request) -> Scores:
    """Return the exact scores of the neurons of ``counts``: read some columns at a time and sort each."""
    assert method.exact is not None, "the method has no exact scores"
    score, codes = method.exact, words.codes[words.among]
    parts: list[Scores] = []
    with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="onegrain-scores") as pool:
        for columns in read_columns(words, counts.neurons):
            parts += pool.map(
                lambda column: score(Sorted.of(column, codes, counts.words), request.options), columns
            )
    return joined(parts)


def read_columns(words: GroupedWords, neurons: slice) -> Iterator[np.ndarray]:
    """Yield the values (neurons, words that count) of some neurons at a time."""
    step = max(1, SORTED_BYTES // (4 * len(words)))
    for start in range(neurons.start, neurons.stop, step):
        part = slice(start, min(start + step, neurons.stop))
        yield np.concatenate([block.T.copy() for _, block in words.blocks("sort", part)], axis=1)


def without_constant(scores: Scores, counts: Counts) -> Scores:
    """Return the scores with NaN for constant neurons."""
    constant = counts.constant
    return replace(
        scores,
        scores=np.where(constant, np.nan, scores.scores),
        label_scores=np.where(constant, np.nan, scores.label_scores),
    )


def joined(parts: Sequence[Scores]) -> Scores:
    """Return the scores of consecutive ranges of neurons as one."""
    details = {
        name: np.concatenate([part.details[name] for part in parts], axis=-1) for name in parts[0].details
    }
    return Scores(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.label_scores for part in parts], axis=1),
        details,
    )


def _ranking(
    name: str,
    method: Counting,
    request: Request,
    words: GroupedWords,
    parts: Sequence[Scores],
    n_constant: int,
) -> Ranking:
    """Return the record of a ranking from the scores of all parts."""
    scores = joined(parts)
    more = {} if method.describe is None else method.describe(words, request.options)
    return Ranking.by_scores(
        name,
        request.activations.space,
        scores.scores,
        request.provenance(name),
        layer=request.label,
        labels=words.labels,
        label_scores=scores.label_scores,
        details={
            **words.details(),
            "constant": n_constant,
            **more,
            **{key: array.tolist() for key, array in scores.details.items()},
        },
    )
