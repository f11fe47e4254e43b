"""The words and neurons of a benchmark scenario, with the same bytes on every machine and numpy version.

All random numbers come from ``numpy.random.RandomState``, whose streams numpy has frozen. Values are rounded to
multiples of 2^-10 standard deviations before they are scaled, so that they do not depend on the last bit of a
logarithm, in which mathematical libraries differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.random import RandomState

from onegrain.synthetic.planted.scenarios import LABELS, Group, Scenario

__all__ = ["Neuron", "Words", "draw_neurons", "draw_values", "draw_words", "level_and_unit"]

WORD_TYPES = 40
CONFOUNDERS = ("word", "place", "topic")
COPY_NOISE = 0.5
"""Standard deviation of the noise that a copy adds to its original; that of the original is 1."""
MASK, BEHIND = 4.0, 0.3
"""Standard deviations of the common part of a masked neuron and its suppressor, and of their own noise."""
THRESHOLD = 1.0
OUTLIERS = (20.0, 60.0)
GRAIN = 2.0**-10

Signal = Float64[np.ndarray, " words"]


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a scenario; all arrays are int64 (words,) except the hidden features.

    Attributes:
        codes: number of the label.
        types: number of the word type, of 40.
        topics: number of the topic, a second label layer.
        places: position in the sentence, from 0.
        hidden: float64 (words, features), standard normal features of the words that are in no layer.
    """

    codes: Int64[np.ndarray, " words"]
    types: Int64[np.ndarray, " words"]
    topics: Int64[np.ndarray, " words"]
    places: Int64[np.ndarray, " words"]
    hidden: Float64[np.ndarray, "words features"]

    def favoured(self, confounder: str) -> Int64[np.ndarray, " words"]:
        """Return the label that each word's type, place or topic goes with, int64 (words,)."""
        numbers = dict(zip(CONFOUNDERS, (self.types, self.places, self.topics), strict=True))
        return numbers[confounder] % len(LABELS)


@dataclass(frozen=True)
class Neuron:
    """The role of one neuron.

    Attributes:
        kind: the kind of planted neuron.
        group: the group, with strength and form.
        labels: numbers of the labels that it carries; of a confounded neuron the one that it seems to carry.
        original: the number of the neuron that a copy repeats, else -1.
        hidden: the hidden feature that it follows, else -1.
        means: means of a weak neuron for each label; of a constant neuron, its value.
        confounder: ``word``, ``place`` or ``topic``, for a confounded neuron.
        turned: True for the second neuron of a pair, whose sign follows the label.
    """

    kind: str
    group: Group
    labels: tuple[int, ...] = ()
    original: int = -1
    hidden: int = -1
    means: tuple[float, ...] = ()
    confounder: str = ""
    turned: bool = False


def draw_words(scenario: Scenario, hidden: int, rng: RandomState) -> Words:
    """Return words with labels in exactly the scenario's shares, or roughly so if it has an agreement."""
    n_labels, size = len(LABELS), scenario.sentences * scenario.length
    ends = np.rint(np.cumsum(scenario.shares) * size).astype(np.int64)
    codes = rng.permutation(np.repeat(np.arange(n_labels), np.diff(ends, prepend=0)))
    places = np.tile(np.arange(scenario.length), scenario.sentences)
    goes = rng.random_sample((3, size)) < scenario.agreement
    codes = np.where(goes[0], places % n_labels, codes)
    fitting = codes + n_labels * rng.randint(0, WORD_TYPES // n_labels, size)
    types = np.where(goes[1], fitting, rng.randint(0, WORD_TYPES, size))
    topics = np.where(goes[2], codes, rng.randint(0, n_labels, size))
    return Words(codes, types, topics, places, rng.standard_normal((size, hidden)))


def draw_neurons(scenario: Scenario, rng: RandomState) -> tuple[list[Neuron], int]:
    """Return the neurons of a scenario, group after group, and the number of hidden features they follow."""
    neurons: list[Neuron] = []
    hidden = 0
    for group in scenario.groups:
        for _ in range(group.count):
            neurons += _expanded(group, neurons, hidden, rng)
            hidden = max(hidden, neurons[-1].hidden + 1)
    return neurons, hidden


def _expanded(group: Group, earlier: list[Neuron], hidden: int, rng: RandomState) -> list[Neuron]:
    """Return one neuron of a group, or one (or two) for each label, after earlier neurons and features."""
    kind, labels = group.kind, range(len(LABELS))
    if kind in ("exclusive", "variance"):
        return [Neuron(kind, group, (label,)) for label in labels]
    if kind == "shared":
        return [Neuron(kind, group, tuple(sorted((label, (label + 1) % len(LABELS))))) for label in labels]
    if kind == "copy":
        backwards = reversed([*enumerate(earlier)])
        first = {neuron.labels[0]: index for index, neuron in backwards if neuron.kind == "exclusive"}
        return [Neuron(kind, group, (label,), original=first[label]) for label in labels]
    if kind == "weak":
        means = rng.standard_normal(len(LABELS))
        means = (means - means.mean()) / means.std()
        return [Neuron(kind, group, tuple(labels), means=tuple(means.tolist()))]
    if kind == "masked":
        kinds = ("masked", "suppressor")
        return [Neuron(kind, group, (label,), hidden=hidden + label) for label in labels for kind in kinds]
    if kind == "pair":
        signs = (False, True)
        return [
            Neuron(kind, group, (label,), hidden=hidden + label, turned=turned)
            for label in labels
            for turned in signs
        ]
    if kind == "confounded":
        return [Neuron(kind, group, (label,), confounder=name) for name in CONFOUNDERS for label in labels]
    if kind == "constant":
        is_first = all(neuron.kind != "constant" for neuron in earlier)
        return [Neuron(kind, group, means=(0.0 if is_first else float(rng.uniform(-1.0, 1.0)),))]
    return [Neuron(kind, group)]


def level_and_unit(
    neurons: list[Neuron], words: Words, rng: RandomState
) -> tuple[Float64[np.ndarray, " neurons"], Float64[np.ndarray, " neurons"]]:
    """Return mean and standard deviation of every neuron on words used for nothing else; 0 and 1 if constant.

    They are used to standardise the neurons, so that neither of them reveals the planted neurons.
    """
    raw = _raw(neurons, words, rng)
    varies = np.array([neuron.kind != "constant" for neuron in neurons])
    return np.where(varies, raw.mean(axis=0), 0.0), np.where(varies, raw.std(axis=0), 1.0)


def draw_values(
    neurons: list[Neuron],
    words: Words,
    level: Float64[np.ndarray, " neurons"],
    unit: Float64[np.ndarray, " neurons"],
    rng: RandomState,
) -> Float32[np.ndarray, "words neurons"]:
    """Return the values of the neurons on the words, in the form of their groups."""
    values = (_raw(neurons, words, rng) - level) / unit
    for index, neuron in enumerate(neurons):
        values[:, index] = _formed(values[:, index], neuron.group, rng)
    return values.astype(np.float32)


def _raw(neurons: list[Neuron], words: Words, rng: RandomState) -> Float64[np.ndarray, "words neurons"]:
    noise = rng.standard_normal((len(words.codes), len(neurons)))
    values = np.empty_like(noise)
    for index, neuron in enumerate(neurons):
        if neuron.original >= 0:
            values[:, index] = values[:, neuron.original] + COPY_NOISE * noise[:, index]
        else:
            values[:, index] = _column(neuron, words, noise[:, index])
    return values


def _column(neuron: Neuron, words: Words, noise: Signal) -> Signal:
    """Return the values of a neuron that is not a copy, before standardisation."""
    strength, high = neuron.group.strength, np.isin(words.codes, neuron.labels)
    if neuron.kind in ("exclusive", "shared"):
        return strength * high + noise
    if neuron.kind == "weak":
        return strength * np.array(neuron.means)[words.codes] + noise
    if neuron.kind in ("masked", "suppressor"):
        signal = strength * high if neuron.kind == "masked" else 0.0
        return signal + MASK * words.hidden[:, neuron.hidden] + BEHIND * noise
    if neuron.kind == "pair":
        sign = np.where(words.hidden[:, neuron.hidden] < 0, -1.0, 1.0)
        return strength * sign * (np.where(high, 1.0, -1.0) if neuron.turned else 1.0) + noise
    if neuron.kind == "variance":
        return (1.0 + strength * high) * noise
    if neuron.kind == "confounded":
        return strength * (words.favoured(neuron.confounder) == neuron.labels[0]) + noise
    if neuron.kind == "constant":
        return np.full_like(noise, neuron.means[0])
    return noise


def _formed(column: Signal, group: Group, rng: RandomState) -> Signal:
    if group.outliers:
        sizes = rng.uniform(*OUTLIERS, len(column)) * np.where(rng.random_sample(len(column)) < 0.5, -1.0, 1.0)
        column = column + np.where(rng.random_sample(len(column)) < group.outliers, sizes, 0.0)
    if group.rectified:
        column = np.where(column > THRESHOLD, column, 0.0)
    return np.rint(column / GRAIN) * GRAIN * group.scale + group.offset
