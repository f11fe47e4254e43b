"""Everything that an index knows about one neuron, in dataclasses that are read without a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from onegrain.records.neuron_card import CardContext, CardDirection, CardStatistics
from onegrain.records.space import NeuronSpace

__all__ = ["IndexStatistics", "IndexedLabel", "IndexedNeuron", "QuantileSample"]


@dataclass(frozen=True)
class IndexedLabel:
    """The values of a neuron at the words of one label.

    Attributes:
        layer: the label layer.
        label: the label.
        words: number of words that have the label and an activation.
        mean: mean of the neuron over them.
        std: population standard deviation over them.
        quantiles: the values at 5, 25, 50, 75 and 95 % of them, interpolated linearly.
        counts: number of them in each bin of the neuron's histogram.
        auroc: probability that a word of the label has a higher value than a word without it, ties counted as
            one half; above 0.5 if high values mean the label. None if every word has the label.
    """

    layer: str
    label: str
    words: int
    mean: float
    std: float
    quantiles: tuple[float, ...]
    counts: tuple[int, ...]
    auroc: float | None


@dataclass(frozen=True)
class QuantileSample:
    """Words drawn from one range of a neuron's values.

    Attributes:
        low: share of the words below the range, 0 to 1.
        high: share of the words up to the end of the range.
        minimum: the smallest value in the range.
        maximum: the largest value in the range.
        contexts: the drawn words in their sentences, by rising value.
    """

    low: float
    high: float
    minimum: float
    maximum: float
    contexts: tuple[CardContext, ...]


@dataclass(frozen=True)
class IndexedNeuron:
    """What an index knows about one neuron.

    Attributes:
        neuron: flat index in the store.
        site: the site of the neuron.
        unit: the number of the neuron in its site.
        statistics: statistics of its values over the words that have an activation.
        quantiles: pairs (share of the words, value), rising; the values are interpolated linearly.
        edges: the edges of the histogram's bins, one more than there are bins; they divide the range of the
            values evenly.
        counts: number of words in each bin; a value on an edge belongs to the bin above, the largest value to
            the last bin.
        labels: the values at the words of each label that is frequent enough, layer after layer.
        high: the words and contexts that raise the neuron most.
        low: the words and contexts that lower it most.
        samples: words from ranges of its values, lowest range first.
        around: for each context of ``high``, ``low`` and the samples, in this order, the values at the words
            from six before it to six after it; None beyond the ends of its sentence and at words without an
            activation.
    """

    neuron: int
    site: str
    unit: int
    statistics: CardStatistics
    quantiles: tuple[tuple[float, float], ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    labels: tuple[IndexedLabel, ...]
    high: CardDirection
    low: CardDirection
    samples: tuple[QuantileSample, ...]
    around: tuple[tuple[float | None, ...], ...]

    @property
    def name(self) -> str:
        """The neuron as ``site:unit``."""
        return f"{self.site}:{self.unit}"

    def labels_of(self, layer: str) -> tuple[IndexedLabel, ...]:
        """Return the labels of one layer; none if the layer has no frequent label."""
        return tuple(label for label in self.labels if label.layer == layer)


@dataclass(frozen=True, eq=False)
class IndexStatistics:
    """Statistics of all neurons of a store, for sorting and filtering; one number per neuron each.

    Attributes:
        words: number of words that have an activation.
        mean: mean over these words.
        std: population standard deviation; 0 exactly if the neuron never changes.
        minimum: the smallest value.
        maximum: the largest value.
        share_positive: share of the words at which the neuron is above 0.
        share_negative: share of the words at which it is below 0.
        constant: True if the neuron never changes.
    """

    words: int
    mean: Float64[np.ndarray, " neurons"]
    std: Float64[np.ndarray, " neurons"]
    minimum: Float64[np.ndarray, " neurons"]
    maximum: Float64[np.ndarray, " neurons"]
    share_positive: Float64[np.ndarray, " neurons"]
    share_negative: Float64[np.ndarray, " neurons"]
    constant: Bool[np.ndarray, " neurons"]

    def of(self, neuron: int) -> CardStatistics:
        """Return the statistics of one neuron, by its flat index."""
        numbers: dict[str, Any] = {
            name: float(getattr(self, name)[neuron])
            for name in ("mean", "std", "minimum", "maximum", "share_positive", "share_negative")
        }
        return CardStatistics(words=self.words, constant=bool(self.constant[neuron]), **numbers)

    def to_pandas(self, space: NeuronSpace) -> pd.DataFrame:
        """Return one row per neuron: ``site``, ``unit`` and the statistics.

        Args:
            space: the neurons, in the order of the statistics.
        """
        sites, units = space.columns()
        names = ("mean", "std", "minimum", "maximum", "share_positive", "share_negative", "constant")
        return pd.DataFrame({"site": sites, "unit": units, **{name: getattr(self, name) for name in names}})
