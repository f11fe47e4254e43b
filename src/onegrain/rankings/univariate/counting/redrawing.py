"""Rankings from counts, made again on draws of their sentences; all draws share the passes over the words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from onegrain.core.constant import rounding_of
from onegrain.rankings.labels import MIN_COUNT
from onegrain.rankings.redrawing import (
    CountedWords,
    Order,
    Redrawing,
    mismatch,
    options_of,
    require_scores,
    require_source,
)
from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.counts import Counts, Needs, count
from onegrain.rankings.univariate.counting.drawn import KnownCounts, count_draws, ranges_of
from onegrain.rankings.univariate.counting.grouped_words import (
    labelled_words,
    words_with_activation,
)
from onegrain.rankings.univariate.counting.scoring import (
    Counting,
    Scores,
    Sorted,
    joined,
    read_columns,
    without_constant,
)

__all__ = ["CountedRedrawer"]


class CountedRedrawer:
    """Scores neurons from the counts of draws of the sentences, which share one pass for each range of neurons.

    With ``exact``, values are sorted once and counted for every draw. Labels are those of the ranking, and so
    are the cells of the histograms.

    Attributes:
        words: the words that count.
        changing: bool (neurons,), False for constant neurons.
        random: False.

    Raises:
        MismatchError: the activations, their labels or their values are not those of the ranking.
    """

    random = False

    def __init__(self, request: Redrawing, counting: Counting, options: type) -> None:
        ranking, activations = request.ranking, request.activations
        require_source(ranking, activations)
        self._seed, self._counting = request.seed, counting
        self._options: Any = options_of(ranking, options)
        if ranking.layer is None:
            grouped = words_with_activation(activations, request.progress)
        else:
            least = getattr(self._options, "min_count", MIN_COUNT)
            grouped = labelled_words(activations, ranking.layer, request.progress, min_count=least)
        if grouped.labels != ranking.labels:
            raise mismatch(
                ranking, activations, f"labels {', '.join(grouped.labels)}, not {', '.join(ranking.labels)}"
            )
        self._grouped = grouped
        sentences, codes = activations.corpus.sentence_of_word[grouped.among], grouped.codes[grouped.among]
        self.words = CountedWords(sentences, codes, grouped.labels)
        self._exact = counting.exact is not None and self._options.exact
        self._needs: frozenset[Needs] = frozenset() if self._exact else counting.needs
        scores: list[np.ndarray] = []
        parts = []
        for counts in count(grouped, self._needs):
            if not self._exact:
                scores.append(self._score(counts).scores)
            parts.append((np.stack([spread.mean for spread in counts.spreads]), counts.cells, counts.constant))
        if scores:
            require_scores(ranking, activations, np.concatenate(scores))
        means, cells, constant = zip(*parts, strict=True)
        known_cells = [cell for cell in cells if cell is not None]
        self._known = KnownCounts(
            np.concatenate(means, axis=1),
            Cells.joined(known_cells) if known_cells else None,
            rounding_of(activations.array),
        )
        self.changing = ~np.concatenate(constant)

    def orders(self, often: Int64[np.ndarray, "draws sentences"]) -> list[Order]:
        """Return the order of each draw; ``often`` is how often each sentence occurs in it."""
        among = self._grouped.among
        by_word = np.zeros((len(often), len(among)), dtype=np.int64)
        by_word[:, among] = often[:, self.words.number]
        by_draw: list[list[Scores]] = [[] for _ in often]
        for neurons in ranges_of(self._grouped):
            drawn = count_draws(self._grouped, by_word, self._known, neurons, self._needs)
            scored = (
                self._exact_scores(drawn, by_word[:, among], neurons)
                if self._exact
                else map(self._score, drawn)
            )
            for parts, scores in zip(by_draw, scored, strict=True):
                parts.append(Scores(scores.scores, scores.label_scores))
        whole = [joined(parts) for parts in by_draw]
        labelled = bool(self.words.labels)
        return [
            Order.by_scores(scores.scores, self._seed, scores.label_scores if labelled else None)
            for scores in whole
        ]

    def reseeded(self, seeds: Sequence[int]) -> list[Order]:
        """Raise TypeError: counts have no seed."""
        raise TypeError("a ranking from counts takes no random steps")

    def _score(self, counts: Counts) -> Scores:
        scores = self._counting.score(counts, self._options)
        return without_constant(scores, counts) if self.words.labels else scores

    def _exact_scores(
        self, drawn: Iterator[Counts], often: Int64[np.ndarray, "draws words"], neurons: slice
    ) -> list[Scores]:
        """Return the exact scores of a range of neurons in every draw: each neuron is sorted once."""
        score, codes, counts = self._counting.exact, self.words.codes, list(drawn)
        assert score is not None, "the method has no exact scores"
        numbers = np.arange(len(codes))

        def of_column(column: np.ndarray) -> list[Scores]:
            values = Sorted.of(column, numbers, counts[0].words)
            return [
                score(values.drawn(codes, times, of_draw.words), self._options)
                for times, of_draw in zip(often, counts, strict=True)
            ]

        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="onegrain-draws") as pool:
            by_neuron = [
                scores
                for columns in read_columns(self._grouped, neurons)
                for scores in pool.map(of_column, columns)
            ]
        return [
            without_constant(joined(parts), of_draw)
            for parts, of_draw in zip(zip(*by_neuron, strict=True), counts, strict=True)
        ]
