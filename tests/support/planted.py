"""Planted activations for many tests: four labels, 32 neurons at two sites."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import onegrain
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.provenance import ModelIdentity
from onegrain.records.space import NeuronSpace

__all__ = ["LABELS", "Planted", "labelled_corpus", "plant"]

LABELS = ("ADJ", "DET", "NOUN", "VERB")
NEURONS = onegrain.PlantedNeurons(weak_share=0.075)
SPACE = NeuronSpace(("layers.0", "layers.1"), (12, 20))


@dataclass(frozen=True, eq=False)
class Planted:
    """Planted activations and the flat indices of each kind of neuron; see :class:`onegrain.Planted`."""

    activations: Activations
    exclusive: dict[str, int]
    shared: int
    copies: tuple[int, ...]
    weak: tuple[int, ...]
    loud: tuple[int, ...]
    noise: tuple[int, ...]
    constant: tuple[int, ...]

    @property
    def informative(self) -> set[int]:
        """The neurons that carry the labels clearly."""
        return {*self.exclusive.values(), *self.copies, self.shared}


def labelled_corpus(sentences: int, seed: int = 0, *, control: bool = False, length: int = 5) -> Corpus:
    """Return sentences of numbered words with random labels, ``upos``, and with ``control`` a control layer."""
    corpus = onegrain.planted(sentences, length=length, words_seed=seed).activations.corpus
    if not control:
        return corpus
    codes = np.random.default_rng(99).integers(0, len(LABELS), size=40)
    labels = [LABELS[codes[int(word[1:])]] for word in corpus.words]
    return corpus.with_layer(LabelLayer.from_labels("upos-control", labels))


def plant(sentences: int = 160, seed: int = 0, *, control: bool = False, model: str | None = None) -> Planted:
    """Plant 32 neurons at two sites; the same seed gives the same words, labels and activations.

    Args:
        sentences: number of sentences, each of five words.
        seed: seed of words, labels and noise; the neurons' roles never change.
        control: add the layer ``upos-control``, with one label per word type.
        model: id and weight hash of a model in the provenance.
    """
    source = onegrain.planted(sentences, strength=20 / 3, neurons=NEURONS, words_seed=seed)
    activations = replace(source.activations, space=SPACE)
    activations = activations.with_corpus(labelled_corpus(sentences, seed, control=control))
    if model is not None:
        identity = ModelIdentity(id=model, architecture="Planted", weight_hash=model)
        provenance = activations.provenance.model_copy(update={"model": identity})
        activations = replace(activations, provenance=provenance)

    def of(kind: str) -> tuple[int, ...]:
        return tuple(source.indices(kind).tolist())

    return Planted(
        activations=activations,
        exclusive={label: int(source.indices("exclusive", label=label)[0]) for label in LABELS},
        shared=of("shared")[0],
        copies=of("copy"),
        weak=of("weak"),
        loud=of("loud"),
        noise=of("noise"),
        constant=of("constant"),
    )
