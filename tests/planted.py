"""Activations in which it is known what every neuron does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.core.activations import Activations
from onegrain.core.corpus import Corpus
from onegrain.core.provenance import ModelIdentity
from onegrain.core.space import NeuronSpace

__all__ = ["LABELS", "Planted", "labelled_corpus", "plant"]

LABELS = ("ADJ", "DET", "NOUN", "VERB")


@dataclass(frozen=True, eq=False)
class Planted:
    """Planted activations and which flat indices do what.

    Attributes:
        activations: the record, label layer ``upos``.
        exclusive: label -> the neuron that is high at its words and at no others.
        shared: a neuron that is high at words of the first two labels.
        copies: two neurons that repeat the last label's exclusive neuron, with a little noise.
        weak: neurons that each know a little about every label.
        loud: neurons of pure noise with a large variance.
        noise: neurons of pure noise.
        constant: neurons that never change.
    """

    activations: Activations
    exclusive: dict[str, int]
    shared: int
    copies: tuple[int, int]
    weak: tuple[int, ...]
    loud: tuple[int, ...]
    noise: tuple[int, ...]
    constant: tuple[int, ...]

    @property
    def informative(self) -> set[int]:
        """The neurons that carry the labels clearly."""
        return {*self.exclusive.values(), *self.copies, self.shared}


def labelled_corpus(sentences: int, seed: int = 0, *, control: bool = False, length: int = 5) -> Corpus:
    """Sentences of numbered words with random labels in ``upos``; with ``control``, also a control layer."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(LABELS), size=(sentences, length))
    types = rng.integers(0, 40, size=(sentences, length))
    words = [[f"w{kind}" for kind in row] for row in types]
    layers: dict[str, list[list[str | None]]] = {"upos": [[LABELS[code] for code in row] for row in codes]}
    if control:
        given = np.random.default_rng(99).integers(0, len(LABELS), size=40)
        layers["upos-control"] = [[LABELS[given[kind]] for kind in row] for row in types]
    return Corpus.from_sentences(words, layers, source=f"planted-{seed}")


def plant(sentences: int = 160, seed: int = 0, *, control: bool = False, model: str | None = None) -> Planted:
    """Plant 32 neurons at two sites; the same seed gives the same words, labels and activations.

    Args:
        sentences: of five words each.
        seed: of words, labels and noise; the neurons' roles never change.
        control: add the layer ``upos-control``, one label a word type.
        model: id and weight hash of a model in the provenance.
    """
    corpus = labelled_corpus(sentences, seed, control=control)
    codes = corpus.layer("upos").codes
    rng = np.random.default_rng(seed + 1000)
    values = rng.normal(0.0, 0.3, size=(corpus.n_words, 32))
    exclusive = {label: 3 * at + 1 for at, label in enumerate(LABELS)}
    for at, neuron in enumerate(exclusive.values()):
        values[:, neuron] += 2.0 * (codes == at)
    shared, copies, weak, loud, constant = 15, (17, 20), (22, 23, 24), (26, 27), (29, 31)
    values[:, shared] += 2.0 * (codes < 2)
    last = values[:, exclusive[LABELS[-1]]]
    for neuron in copies:
        values[:, neuron] = last + rng.normal(0.0, 0.1, size=corpus.n_words)
    means = np.random.default_rng(5).normal(0.0, 0.15, size=(len(LABELS), len(weak)))
    values[:, weak] += means[codes]
    values[:, loud] *= 30.0
    values[:, constant] = (0.7, 0.0)
    known = {*exclusive.values(), shared, *copies, *weak, *loud, *constant}
    activations = Activations.from_array(
        values.astype(np.float32), corpus, NeuronSpace(("layers.0", "layers.1"), (12, 20))
    )
    if model is not None:
        identity = ModelIdentity(id=model, architecture="Planted", weight_hash=model)
        provenance = activations.provenance.model_copy(update={"model": identity})
        activations = Activations(activations.array, activations.space, corpus, provenance)
    noise = tuple(neuron for neuron in range(32) if neuron not in known)
    return Planted(activations, exclusive, shared, copies, weak, loud, noise, constant)
