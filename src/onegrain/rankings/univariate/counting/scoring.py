"""Rankings from the counts of one pass: several methods share it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64

from onegrain.rankings.labels import MIN_COUNT, LabelOptions
from onegrain.rankings.request import Method, Request
from onegrain.rankings.univariate.counting.counts import Counts, Needs, count
from onegrain.rankings.univariate.counting.grouped_words import CountedWords, labelled_words
from onegrain.records.ranking import Ranking

__all__ = ["Counting", "Scores", "Sorted", "counting_method", "rank_counted", "strips"]

STRIP = 128
"""Neurons whose histograms a thread looks at."""
SORTED_BYTES = 2**28
"""Of the values (float32) that are read at once to be sorted."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a method makes of some neurons.

    Attributes:
        scores: float64 (neurons,); NaN for a neuron without a score.
        label_scores: float64 (labels, neurons).
        details: arrays (labels, neurons) or (neurons,) that the record keeps beside the scores, by name; their
            last axis is by flat index.
    """

    scores: Float64[np.ndarray, " neurons"]
    label_scores: Float64[np.ndarray, "labels neurons"]
    details: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sorted:
    """One neuron at all words that count, its values rising.

    Attributes:
        codes: int64 (words,), the labels in that order.
        first: int64 (words,), the place of the first word with the same value.
        last: int64 (words,), that of the last.
        words: int64 (labels,), words of each label.
    """

    codes: Int64[np.ndarray, " words"]
    first: Int64[np.ndarray, " words"]
    last: Int64[np.ndarray, " words"]
    words: Int64[np.ndarray, " labels"]

    @classmethod
    def of(cls, values: np.ndarray, codes: np.ndarray, words: np.ndarray) -> Sorted:
        """Of the values (words,) and labels in any order."""
        order = np.argsort(values, kind="stable")
        rising = values[order]
        starts = np.flatnonzero(np.append(True, rising[1:] != rising[:-1]))
        sizes = np.diff(starts, append=len(values))
        return cls(codes[order], np.repeat(starts, sizes), np.repeat(starts + sizes - 1, sizes), words)


def counting_method(
    name: str,
    summary: str,
    score: Callable[[Counts, Any], Scores],
    *,
    options: type = LabelOptions,
    needs: Collection[Needs] = (),
    exact: Callable[[Sorted, Any], Scores] | None = None,
    require: Callable[[CountedWords], None] | None = None,
    describe: Callable[[CountedWords, Any], dict[str, Any]] | None = None,
) -> Method:
    """A method that needs nothing but counts, and so shares its pass over the words with its like.

    A constant neuron scores NaN whatever ``score`` says of it, comes last, and is counted in
    ``details["constant"]``. Words without label or without activation are left out and counted.

    Args:
        name: of the method.
        summary: one line.
        score: from the counts of some neurons and the options to their scores.
        options: frozen dataclass of its parameters; labels of fewer words than its ``min_count`` are left out,
            by default, and where it has none, of fewer than 10.
        needs: what it needs beside the means and deviations under each label: ``histogram``, ``positive``,
            ``range``.
        exact: where ``options.exact`` is set, gives the scores of one neuron instead.
        require: raises for words of which the method can say nothing.
        describe: more for the record's ``details``.
    """
    counting = Counting(score, frozenset(needs), exact, require, describe)
    return Method(
        name=name,
        summary=summary,
        function=lambda request: rank_counted([(name, counting, request)])[0],
        options=options,
        needs_label=True,
        counting=counting,
    )


@dataclass(frozen=True)
class Counting:
    """How a method scores from counts; see :func:`counting_method`."""

    score: Callable[[Counts, Any], Scores]
    needs: frozenset[Needs]
    exact: Callable[[Sorted, Any], Scores] | None = None
    require: Callable[[CountedWords], None] | None = None
    describe: Callable[[CountedWords, Any], dict[str, Any]] | None = None


def rank_counted(asked: Sequence[tuple[str, Counting, Request]]) -> list[Ranking]:
    """Return the rankings of several methods on the same words and labels, from one pass for each min_count.

    Args:
        asked: name, way of scoring and request of each; the requests differ in their options only.
    """
    least = [getattr(request.options, "min_count", MIN_COUNT) for _, _, request in asked]
    found: dict[str, Ranking] = {}
    for min_count in dict.fromkeys(least):
        alike = [one for one, count in zip(asked, least, strict=True) if count == min_count]
        found.update(zip([name for name, _, _ in alike], _rank_alike(alike, min_count), strict=True))
    return [found[name] for name, _, _ in asked]


def _rank_alike(asked: Sequence[tuple[str, Counting, Request]], min_count: int) -> list[Ranking]:
    """Return the rankings of methods that leave out the same labels, from one pass."""
    first = asked[0][2]
    assert first.label is not None, "the registry asks for a label"
    words = labelled_words(first.activations, first.label, first.progress, min_count=min_count)
    for _, method, _ in asked:
        if method.require is not None:
            method.require(words)
    parts: list[list[Scores]] = [[] for _ in asked]
    constant = 0
    sorting = [method.exact is not None and request.options.exact for _, method, request in asked]
    needs = {
        need for (_, method, _), alone in zip(asked, sorting, strict=True) for need in method.needs if not alone
    }
    for counts in count(words, needs):
        constant += int(counts.constant.sum())
        for made, alone, (_, method, request) in zip(parts, sorting, asked, strict=True):
            found = _sorted(words, counts, method, request) if alone else method.score(counts, request.options)
            made.append(_known(found, counts))
    return [
        _ranking(name, method, request, words, made, constant)
        for (name, method, request), made in zip(asked, parts, strict=True)
    ]


def strips(counts: Counts, score: Callable[[np.ndarray, slice], Scores]) -> Scores:
    """The scores of all neurons, from their histograms: a strip of neurons at once, in threads side by side.

    Args:
        counts: with a histogram.
        score: from int32 (neurons, labels, cells), and where among the neurons of ``counts`` these are, to
            their scores.
    """
    assert counts.histogram is not None, "the method asked for no histogram"
    table = counts.histogram
    parts = [slice(at, min(at + STRIP, len(table))) for at in range(0, len(table), STRIP)]
    with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="onegrain-scores") as pool:
        return _joined(list(pool.map(lambda part: score(table[part], part), parts)))


def _sorted(words: CountedWords, counts: Counts, method: Counting, request: Request) -> Scores:
    """The exact scores of some neurons: a part of their columns is read at once, and each neuron sorted."""
    assert method.exact is not None, "the method has one way only"
    score, codes = method.exact, words.codes[words.among]
    step = max(1, SORTED_BYTES // (4 * len(words)))
    parts: list[Scores] = []
    with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="onegrain-scores") as pool:
        for start in range(counts.neurons.start, counts.neurons.stop, step):
            here = slice(start, min(start + step, counts.neurons.stop))
            columns = np.concatenate([block.T.copy() for _, block in words.blocks("sort", here)], axis=1)
            parts += pool.map(lambda one: score(Sorted.of(one, codes, counts.words), request.options), columns)
    return _joined(parts)


def _known(scores: Scores, counts: Counts) -> Scores:
    """The scores without those of constant neurons."""
    gone = counts.constant
    return replace(
        scores,
        scores=np.where(gone, np.nan, scores.scores),
        label_scores=np.where(gone, np.nan, scores.label_scores),
    )


def _joined(parts: Sequence[Scores]) -> Scores:
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
    words: CountedWords,
    parts: Sequence[Scores],
    constant: int,
) -> Ranking:
    made = _joined(parts)
    more = {} if method.describe is None else method.describe(words, request.options)
    return Ranking.by_scores(
        name,
        request.activations.space,
        made.scores,
        request.provenance(name),
        layer=request.label,
        labels=words.labels,
        label_scores=made.label_scores,
        details={
            **words.details(),
            "constant": constant,
            **more,
            **{key: array.tolist() for key, array in made.details.items()},
        },
    )
