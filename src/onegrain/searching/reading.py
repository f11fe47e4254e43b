"""Turn the row of a neuron in an index into the facts that a page shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Int64

from onegrain.analyses.neurons.words import word_in_context
from onegrain.records.corpus import Corpus
from onegrain.records.indexed_neuron import IndexedLabel, IndexedNeuron, QuantileSample
from onegrain.records.neuron_card import CardContext, CardDirection, CardStatistics, CardWord
from onegrain.records.space import NeuronSpace
from onegrain.searching.layout import SHARES, Rows
from onegrain.searching.summing import histogram_edges

__all__ = ["IndexedNeurons", "RowSource"]


class RowSource(Protocol):
    """The rows of the neurons of an index, read one by one or computed."""

    def read(self, number: int) -> np.ndarray:
        """Return the row of the neuron with a flat index, (1,), of the type ``Rows.neuron``."""
        ...


class IndexedNeurons:
    """The neurons of an index, read one by one.

    Args:
        source: the rows of the neurons.
        rows: the sizes of the index.
        corpus: the words of the store.
        space: its neurons.
        labels: layer and label of each label that is kept.
        label_words: int64 (labels,), their numbers of words.
    """

    def __init__(
        self,
        source: RowSource,
        rows: Rows,
        corpus: Corpus,
        space: NeuronSpace,
        labels: Sequence[tuple[str, str]],
        label_words: Int64[np.ndarray, " labels"],
    ) -> None:
        self._source, self._rows, self._corpus, self._space = source, rows, corpus, space
        self._labels, self._label_words = labels, label_words
        self._bounds = rows.options.range_bounds(rows.words)
        self._drawn = [len(positions) for positions in rows.options.sampled_positions(rows.words)]

    def neuron(self, number: int) -> IndexedNeuron:
        """Return the neuron with a flat index."""
        row = self._source.read(number)[0]
        statistics = CardStatistics.of_moments(self._rows.words, tuple(row["statistics"][:6].tolist()))
        site, unit = self._space.locate(number)
        scale = statistics.mean, statistics.std
        return IndexedNeuron(
            neuron=number,
            site=site,
            unit=unit,
            statistics=statistics,
            quantiles=tuple(zip(SHARES, row["quantiles"].tolist(), strict=True)),
            edges=tuple(
                histogram_edges(statistics.minimum, statistics.maximum, self._rows.options.bins).tolist()
            ),
            counts=tuple(row["counts"].tolist()),
            labels=tuple(self._label_values(row)),
            high=self._direction(row, 0, scale),
            low=self._direction(row, 1, scale),
            samples=tuple(self._samples(row, scale)),
            around=tuple(_values_around(row)),
        )

    def _label_values(self, row: np.void) -> Iterator[IndexedLabel]:
        columns = zip(
            self._labels,
            self._label_words.tolist(),
            row["label_means"].tolist(),
            row["label_stds"].tolist(),
            row["label_quantiles"].tolist(),
            row["label_counts"].tolist(),
            row["label_ranks"].tolist(),
            strict=True,
        )
        for (layer, label), words, mean, std, quantiles, counts, ranks in columns:
            pairs = words * (self._rows.words - words)
            yield IndexedLabel(
                layer=layer,
                label=label,
                words=words,
                mean=mean,
                std=std,
                quantiles=tuple(quantiles),
                counts=tuple(counts),
                auroc=0.5 + ranks / (2 * pairs) if pairs else None,
            )

    def _direction(self, row: np.void, direction: int, scale: tuple[float, float]) -> CardDirection:
        types = zip(
            row["type_rows"][direction].tolist(),
            row["type_counts"][direction].tolist(),
            row["type_deviations"][direction].tolist(),
            strict=True,
        )
        contexts = zip(
            row["context_rows"][direction].tolist(), row["context_values"][direction].tolist(), strict=True
        )
        return CardDirection(
            words=tuple(
                CardWord(word=self._corpus.words[word], count=count, deviation=deviation)
                for word, count, deviation in types
                if word >= 0
            ),
            contexts=tuple(self._context(word, value, scale) for word, value in contexts if word >= 0),
        )

    def _samples(self, row: np.void, scale: tuple[float, float]) -> Iterator[QuantileSample]:
        words, values = row["sample_rows"].tolist(), row["sample_values"].tolist()
        extent = row["range_values"].tolist()
        done = 0
        for (start, end), drawn, (minimum, maximum) in zip(self._bounds, self._drawn, extent, strict=True):
            if not drawn:
                continue
            part = slice(done, done + drawn)
            yield QuantileSample(
                low=start / self._rows.words,
                high=end / self._rows.words,
                minimum=minimum,
                maximum=maximum,
                contexts=tuple(
                    self._context(word, value, scale)
                    for word, value in zip(words[part], values[part], strict=True)
                ),
            )
            done += drawn

    def _context(self, word: int, value: float, scale: tuple[float, float]) -> CardContext:
        mean, std = scale
        return CardContext(
            word=self._corpus.words[word],
            deviation=(value - mean) / std if std else 0.0,
            value=value,
            **word_in_context(self._corpus, word),
        )


def _values_around(row: np.void) -> Iterator[tuple[float | None, ...]]:
    """Yield the values around each context, in the order of ``IndexedNeuron.around``."""
    kept = row["context_rows"] >= 0
    for values in (*row["context_around"][kept].tolist(), *row["sample_around"].tolist()):
        yield tuple(None if math.isnan(value) else value for value in values)
