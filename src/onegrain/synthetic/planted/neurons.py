"""The kinds of planted neurons, and the random choice of their roles."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from onegrain.core.options import require_count
from onegrain.errors import LabelError, ParameterError

__all__ = [
    "INFORMATIVE",
    "KINDS",
    "NOISE",
    "Parts",
    "PlantedNeurons",
    "draw_parts",
    "require_size",
]

INFORMATIVE = ("exclusive", "shared", "copy", "weak", "masked", "suppressor", "pair", "variance")
"""The kinds that carry labels."""

KINDS = (*INFORMATIVE, "loud", "noise", "constant", "confounded", "outlier")
"""The kinds of planted neurons; see docs/planted.md."""

DRAWN = ("exclusive", "shared", "copy", "weak", "loud", "noise", "constant")
"""The kinds that :class:`PlantedNeurons` counts, in the order in which they are drawn."""

NOISE = 0.3
"""Standard deviation of the noise in a neuron that is neither a copy, loud nor constant."""


@dataclass(frozen=True)
class PlantedNeurons:
    """The number and properties of the neurons of each kind to plant.

    Attributes:
        exclusive: number of neurons per label that are high only at words with this label.
        shared: tuples of labels; one neuron for each tuple is high at words with any label in it. None means
            one neuron for the first two labels.
        copied: labels whose first exclusive neuron is repeated; None for the last label.
        copies: number of copies of each of those neurons.
        copy_deviation: standard deviation of the noise that a copy adds to its original; 0 for the same values.
        weak: number of neurons that each carry a little information on every label.
        weak_share: standard deviation of a weak neuron's label means, relative to the strength.
        loud: number of neurons of noise with a larger standard deviation.
        loud_deviation: standard deviation of loud neurons; that of plain noise is 0.3.
        noise: number of neurons of plain noise.
        constant: number of neurons that never change; the first is always zero.
    """

    exclusive: int = 1
    shared: tuple[tuple[str, ...], ...] | None = None
    copied: tuple[str, ...] | None = None
    copies: int = 2
    copy_deviation: float = 0.1
    weak: int = 3
    weak_share: float = 0.1
    loud: int = 2
    loud_deviation: float = 9.0
    noise: int = 18
    constant: int = 2

    def __post_init__(self) -> None:
        for name in ("exclusive", "copies", "weak", "loud", "noise", "constant"):
            require_count(name, getattr(self, name), 0)
        for name in ("copy_deviation", "weak_share", "loud_deviation"):
            require_size(name, getattr(self, name))
        if self.copies and self.copied != () and not self.exclusive:
            raise ParameterError("copies repeat exclusive neurons, and exclusive is 0; set copies=0 too")

    def among(self, labels: tuple[str, ...]) -> PlantedNeurons:
        """Return the same neurons with ``shared`` and ``copied`` written out.

        Raises:
            LabelError: a label does not exist.
        """
        shared = (labels[:2],) if self.shared is None else tuple(tuple(group) for group in self.shared)
        copied = labels[-1:] if self.copied is None else tuple(self.copied)
        for name in [name for group in (*shared, copied) for name in group]:
            if name not in labels:
                raise LabelError(f"no label {name!r} to plant neurons for; the labels are: {', '.join(labels)}")
        if not all(shared):
            raise ParameterError("every tuple of shared needs at least one label")
        return replace(self, shared=shared, copied=copied)


@dataclass(frozen=True, eq=False)
class Parts:
    """The kind and the planted signal of every neuron, by flat index.

    ``means`` (neurons, labels) are in units of the signal, ``deviation`` and ``level`` in those of the values;
    those of a copy are added to its original.
    """

    kind: np.ndarray
    carries: np.ndarray
    original: np.ndarray
    means: np.ndarray
    deviation: np.ndarray
    level: np.ndarray

    def shuffled(self, rng: np.random.Generator) -> Parts:
        """Return the same neurons in another order."""
        order = rng.permutation(len(self.kind))
        place = np.empty(len(order) + 1, dtype=np.int64)
        place[order], place[-1] = np.arange(len(order)), -1
        moved = Parts(**{field.name: getattr(self, field.name)[order] for field in fields(self)})
        return replace(moved, original=place[moved.original])


def draw_parts(neurons: PlantedNeurons, labels: tuple[str, ...], rng: np.random.Generator) -> Parts:
    """Draw every neuron, kind after kind, and shuffle them."""
    eye = np.eye(len(labels), dtype=bool)
    groups = neurons.shared or ()
    copied = [labels.index(name) for name in neurons.copied or ()]
    sources = np.repeat(np.array(copied, dtype=np.int64), neurons.copies)
    counts = (
        neurons.exclusive * len(labels), len(groups), sources.size,
        neurons.weak, neurons.loud, neurons.noise, neurons.constant,
    )  # fmt: skip
    kind = np.repeat(np.array(DRAWN), counts)
    if not kind.size:
        raise ParameterError("no neurons to plant; ask for at least one")
    carries = np.zeros((kind.size, len(labels)), dtype=bool)
    carries[kind == "exclusive"] = np.tile(eye, (neurons.exclusive, 1))
    for neuron, group in zip(np.flatnonzero(kind == "shared"), groups, strict=True):
        carries[neuron, [labels.index(name) for name in group]] = True
    carries[kind == "copy"] = eye[sources]
    carries[kind == "weak"] = True
    original = np.full(kind.size, -1, dtype=np.int64)
    original[kind == "copy"] = sources
    means = np.where(np.isin(kind, ("exclusive", "shared"))[:, None], carries, 0.0)
    spread = rng.normal(size=(neurons.weak, len(labels)))
    spread -= spread.mean(axis=1, keepdims=True)
    means[kind == "weak"] = neurons.weak_share * spread / spread.std(axis=1, keepdims=True)
    deviation = np.full(kind.size, NOISE)
    for name, size in (("copy", neurons.copy_deviation), ("loud", neurons.loud_deviation), ("constant", 0.0)):
        deviation[kind == name] = size
    level = np.zeros(kind.size)
    level[kind == "constant"] = np.where(np.arange(neurons.constant), rng.uniform(-1, 1, neurons.constant), 0.0)
    return Parts(kind, carries, original, means, deviation, level).shuffled(rng)


def require_size(name: str, value: float) -> None:
    """Raise ParameterError unless the value is finite and 0 or more."""
    if not (np.isfinite(value) and value >= 0):
        raise ParameterError(f"{name} must be 0 or more, got {value!r}")
