"""The options of an index: how much of each neuron it keeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from onegrain.core.options import require_count

__all__ = ["IndexOptions"]


@dataclass(frozen=True)
class IndexOptions:
    """How much of each neuron an index keeps.

    Attributes:
        n: number of word types, and of contexts, in each direction.
        bins: number of bins of a histogram.
        ranges: number of ranges of values, with equally many words each, from which words are drawn.
        samples: number of words drawn from each range.
        min_words: a label with fewer words is left out.
        max_labels: most labels that are kept, over all layers; the most frequent are.
        seed: random seed of the drawn words.
    """

    n: int = 10
    bins: int = 40
    ranges: int = 5
    samples: int = 5
    min_words: int = 20
    max_labels: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n", "bins", "ranges", "samples", "min_words"):
            require_count(name, getattr(self, name))

    def to_json(self) -> dict[str, Any]:
        """Return the options by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> IndexOptions:
        """Return the options that :meth:`to_json` wrote."""
        return cls(**{entry.name: values[entry.name] for entry in fields(cls)})

    def sampled_positions(self, words: int) -> list[np.ndarray]:
        """Return the positions that are drawn from each range of the sorted words, rising, int64.

        The same positions serve every neuron, so its samples depend on the seed and its values alone.
        """
        rng = np.random.default_rng(self.seed)
        return [
            np.sort(rng.choice(end - start, min(self.samples, end - start), replace=False)) + start
            for start, end in self.range_bounds(words)
        ]

    def range_bounds(self, words: int) -> list[tuple[int, int]]:
        """Return where each range begins and ends among the sorted words; a range may be empty."""
        edges = np.linspace(0, words, self.ranges + 1).round().astype(np.int64).tolist()
        return list(pairwise(edges))
