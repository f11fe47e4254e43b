"""The scenarios of the planted-neuron benchmark, by version, as data.

A version never changes: tests compare the bytes of its scenarios. New scenarios need a new version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LABELS", "VERSIONS", "Group", "Scenario"]

LABELS = ("ADJ", "DET", "NOUN", "VERB")
"""The labels of every scenario."""


@dataclass(frozen=True)
class Group:
    """A group of neurons of one kind.

    Attributes:
        kind: one of :data:`onegrain.synthetic.planted.neurons.KINDS`. ``masked`` and ``pair`` are planted in
            twos: a masked neuron with its suppressor, a pair neuron with its partner.
        count: number of neurons per label, per two neighbouring labels (``shared``), or per label and each of
            word, place and topic (``confounded``); for ``weak`` and kinds without a label, the total number.
        strength: signal divided by the standard deviation of the noise, before the neuron is standardised. A
            negative strength makes the neuron low at its label.
        rectified: True to set values below one standard deviation to 0.
        outliers: share of the words to whose values 20 to 60 standard deviations are added or subtracted.
        scale: factor by which the values are multiplied at the end.
        offset: constant added to the values after that.
    """

    kind: str
    count: int
    strength: float = 1.0
    rectified: bool = False
    outliers: float = 0.0
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """A test case for ranking methods.

    Attributes:
        name: the name of the scenario.
        summary: a description in one line.
        groups: its neurons. A copy repeats the first exclusive neuron of its label.
        shares: share of the words with each label; they sum to 1.
        agreement: probability that place, word and topic are chosen to fit the label; 0 for never.
        sentences: number of sentences for training, and of held-out sentences.
        length: number of words of each sentence.
    """

    name: str
    summary: str
    groups: tuple[Group, ...]
    shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    agreement: float = 0.0
    sentences: int = 400
    length: int = 5


QUIET = (Group("noise", 66), Group("constant", 2))

FIRST = (
    Scenario("clear", "exclusive neurons, high by 1", (Group("exclusive", 3), *QUIET)),
    Scenario("faint", "the same, by 0.25", (Group("exclusive", 3, 0.25), *QUIET)),
    Scenario("buried", "the same, by 0.12", (Group("exclusive", 3, 0.12), *QUIET)),
    Scenario(
        "rare",
        "exclusive neurons for labels of 60, 28, 10 and 2 % of the words",
        (Group("exclusive", 3, 0.6), *QUIET),
        shares=(0.60, 0.28, 0.10, 0.02),
    ),
    Scenario("low", "exclusive neurons that are low at their label", (Group("exclusive", 3, -0.6), *QUIET)),
    Scenario("shared", "neurons that are high at two labels", (Group("shared", 3, 0.6), *QUIET)),
    Scenario("copies", "one exclusive neuron for each label, and three noisy copies", (
        Group("exclusive", 1, 0.6), Group("copy", 3), *QUIET,
    )),
    Scenario("weak", "24 neurons that know little about every label", (Group("weak", 24, 0.12), *QUIET)),
    Scenario("masked", "a label behind what another neuron, the suppressor, has too", (
        Group("masked", 2), *QUIET,
    )),
    Scenario("pairs", "two neurons of which only the product tells the label", (Group("pair", 2, 2.0), *QUIET)),
    Scenario("variance", "neurons that vary twice as much at a label", (Group("variance", 3), *QUIET)),
    Scenario("scales", "of neurons and noise, a third is 100 times smaller, a third 30 times larger", (
        Group("exclusive", 1, 0.6, scale=0.01), Group("noise", 22, scale=0.01),
        Group("exclusive", 1, 0.6), Group("noise", 22),
        Group("exclusive", 1, 0.6, scale=30.0), Group("loud", 22, scale=30.0), Group("constant", 2),
    )),
    Scenario("offsets", "a third of all neurons around 10,000, a third around -10,000", (
        Group("exclusive", 1, 0.6), Group("noise", 22),
        Group("exclusive", 1, 0.6, offset=1e4), Group("noise", 22, offset=1e4),
        Group("exclusive", 1, 0.6, offset=-1e4), Group("noise", 22, offset=-1e4), Group("constant", 2),
    )),
    Scenario("rectified", "neurons that are 0 at most words", (
        Group("exclusive", 3, 0.6, rectified=True), Group("noise", 66, rectified=True), Group("constant", 2),
    )),
    Scenario("outliers", "huge values at some words, of exclusive neurons and of noise", (
        Group("exclusive", 1, 0.6), Group("exclusive", 2, 0.6, outliers=0.005),
        Group("noise", 33), Group("outlier", 33, outliers=0.005), Group("constant", 2),
    )),
    Scenario(
        "confounded",
        "exclusive neurons, beside clearer ones of a word, place or topic that often goes with the label",
        (Group("exclusive", 3), Group("confounded", 1, 4.0), Group("noise", 54), Group("constant", 2)),
        agreement=0.5,
    ),
    Scenario(
        "mixed",
        "something of everything",
        (
            Group("exclusive", 2, 0.6), Group("shared", 1, 0.6), Group("copy", 1), Group("weak", 8, 0.12),
            Group("masked", 1), Group("variance", 1), Group("confounded", 1, 2.0),
            Group("loud", 10, scale=30.0), Group("outlier", 10, outliers=0.005), Group("noise", 40),
            Group("constant", 2),
        ),
        shares=(0.4, 0.3, 0.2, 0.1),
        agreement=0.3,
    ),
)  # fmt: skip

VERSIONS: Mapping[str, tuple[Scenario, ...]] = {"1": FIRST}
"""The scenarios of each version, in order."""
