"""The words and neurons of a benchmark scenario, drawn so that every machine and numpy gives the same bytes.

All randomness is that of ``numpy.random.RandomState``, whose streams numpy has frozen. Values are rounded to
multiples of 2^-10 standard deviations before they are scaled: so the last bit of a logarithm, in which
mathematical libraries differ, decides nothing.
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
"""Standard deviation of what a copy adds to its original, whose own noise has 1."""
MASK, BEHIND = 4.0, 0.3
"""Standard deviations of what a masked neuron and its suppressor have in common, and of their own noise."""
THRESHOLD = 1.0
OUTLIERS = (20.0, 60.0)
GRAIN = 2.0**-10

Signal = Float64[np.ndarray, " words"]


@dataclass(frozen=True, eq=False)
class Words:
    """What the words of a scenario are, all int64 (words,) but for the hidden features.

    Attributes:
        codes: the label.
        types: which of 40 words.
        topics: one more label layer.
        places: in the sentence, from 0.
        hidden: float64 (words, features), standard normal features of the words that no layer tells.
    """

    codes: Int64[np.ndarray, " words"]
    types: Int64[np.ndarray, " words"]
    topics: Int64[np.ndarray, " words"]
    places: Int64[np.ndarray, " words"]
    hidden: Float64[np.ndarray, "words features"]

    def favoured(self, confounder: str) -> Int64[np.ndarray, " words"]:
        """int64 (words,): the label that each word's type, place or topic goes with."""
        numbers = dict(zip(CONFOUNDERS, (self.types, self.places, self.topics), strict=True))
        return numbers[confounder] % len(LABELS)


@dataclass(frozen=True)
class Neuron:
    """What one neuron does.

    Attributes:
        kind: of planted neuron.
        group: its strength and form.
        labels: numbers of the labels that it carries; of a confounded neuron the one that it seems to.
        original: the number of the neuron that a copy repeats, else -1.
        hidden: the hidden feature that it follows, else -1.
        means: of a weak neuron at each label; of a constant one, its value.
        confounder: ``word``, ``place`` or ``topic`` of a confounded neuron.
        turned: the second of a pair: its sign follows the label.
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
    """Words with labels in the scenario's shares, exactly; with an agreement, as nearly as that leaves them."""
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
    """Every neuron of a scenario, group after group, and how many hidden features they follow."""
    made: list[Neuron] = []
    hidden = 0
    for group in scenario.groups:
        for _ in range(group.count):
            made += _expanded(group, made, hidden, rng)
            hidden = max(hidden, made[-1].hidden + 1)
    return made, hidden


def _expanded(group: Group, made: list[Neuron], hidden: int, rng: RandomState) -> list[Neuron]:
    """One neuron of a group, or one (or two) for each label, where so many neurons and features are there."""
    kind, labels = group.kind, range(len(LABELS))
    if kind in ("exclusive", "variance"):
        return [Neuron(kind, group, (label,)) for label in labels]
    if kind == "shared":
        return [Neuron(kind, group, tuple(sorted((label, (label + 1) % len(LABELS))))) for label in labels]
    if kind == "copy":
        first = {one.labels[0]: at for at, one in reversed([*enumerate(made)]) if one.kind == "exclusive"}
        return [Neuron(kind, group, (label,), original=first[label]) for label in labels]
    if kind == "weak":
        means = rng.standard_normal(len(LABELS))
        means = (means - means.mean()) / means.std()
        return [Neuron(kind, group, tuple(labels), means=tuple(means.tolist()))]
    if kind == "masked":
        two = ("masked", "suppressor")
        return [Neuron(one, group, (label,), hidden=hidden + label) for label in labels for one in two]
    if kind == "pair":
        signs = (False, True)
        return [
            Neuron(kind, group, (label,), hidden=hidden + label, turned=turned)
            for label in labels
            for turned in signs
        ]
    if kind == "confounded":
        return [Neuron(kind, group, (label,), confounder=one) for one in CONFOUNDERS for label in labels]
    if kind == "constant":
        first_one = all(neuron.kind != "constant" for neuron in made)
        return [Neuron(kind, group, means=(0.0 if first_one else float(rng.uniform(-1.0, 1.0)),))]
    return [Neuron(kind, group)]


def level_and_unit(
    neurons: list[Neuron], words: Words, rng: RandomState
) -> tuple[Float64[np.ndarray, " neurons"], Float64[np.ndarray, " neurons"]]:
    """Mean and standard deviation of every neuron at words that are used for nothing else; 0 and 1 if constant.

    Neurons are brought to this mean and deviation, so that neither betrays what is planted.
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
    """What the neurons do at the words, in the form of their groups."""
    values = (_raw(neurons, words, rng) - level) / unit
    for at, neuron in enumerate(neurons):
        values[:, at] = _formed(values[:, at], neuron.group, rng)
    return values.astype(np.float32)


def _raw(neurons: list[Neuron], words: Words, rng: RandomState) -> Float64[np.ndarray, "words neurons"]:
    noise = rng.standard_normal((len(words.codes), len(neurons)))
    made = np.empty_like(noise)
    for at, neuron in enumerate(neurons):
        if neuron.original >= 0:
            made[:, at] = made[:, neuron.original] + COPY_NOISE * noise[:, at]
        else:
            made[:, at] = _column(neuron, words, noise[:, at])
    return made


def _column(neuron: Neuron, words: Words, noise: Signal) -> Signal:
    """One neuron that is no copy, before it has mean 0 and deviation 1."""
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
