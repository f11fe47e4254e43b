"""Planted activations: those of an artificial model in which the role of every neuron is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from onegrain.core.options import require_count
from onegrain.errors import LabelError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.synthetic.planted.neurons import (
    INFORMATIVE,
    KINDS,
    NOISE,
    Parts,
    PlantedNeurons,
    draw_parts,
    require_size,
)

__all__ = ["LAYER", "Planted", "planted"]

LAYER = "upos"
"""The label layer of the planted words."""

WORD_TYPES = 40


@dataclass(frozen=True, eq=False)
class Planted:
    """Planted activations and the role of every neuron.

    Attributes:
        activations: the record; its words have the label layer ``upos``.
        kind: str (neurons,), one of ``exclusive``, ``shared``, ``copy``, ``weak``, ``loud``, ``noise``,
            ``constant``; in the benchmark also ``masked``, ``suppressor``, ``pair``, ``variance``,
            ``confounded``, ``outlier``.
        labels: the labels, sorted.
        carries: bool (neurons, labels), the labels that a neuron carries: a copy those of its original, a
            suppressor that of its masked neuron, a weak neuron all of them, and a neuron of a kind that is not
            informative none.
        original: int64 (neurons,), the flat index of the neuron that a copy repeats; -1 for all others.
    """

    activations: Activations
    kind: np.ndarray
    labels: tuple[str, ...]
    carries: np.ndarray
    original: np.ndarray

    def indices(self, *kinds: str, label: str | None = None) -> np.ndarray:
        """Return the flat indices (int64, ascending) of neurons of some kinds, perhaps only with a label."""
        for kind in kinds:
            if kind not in KINDS:
                raise ParameterError(f"no kind {kind!r} of planted neuron; the kinds are: {', '.join(KINDS)}")
        selected = np.isin(self.kind, kinds)
        if label is not None:
            if label not in self.labels:
                raise LabelError(f"no label {label!r}; the planted labels are: {', '.join(self.labels)}")
            selected &= self.carries[:, self.labels.index(label)]
        return np.flatnonzero(selected).astype(np.int64)

    def auc(
        self,
        ranking: Ranking,
        kinds: Sequence[str] = INFORMATIVE,
        against: Sequence[str] = ("noise", "loud"),
    ) -> float:
        """Return how often a ranking puts a neuron of ``kinds`` before one of ``against``; 0.5 by chance.

        This is the area under the ROC curve over all pairs; a pair of unranked neurons counts half. Constant
        neurons are left out, because every method recognises them.

        Raises:
            MismatchError: the ranking is of other neurons.
            ParameterError: a kind does not exist, or no neuron is of the kinds.
        """
        self.activations.space.require_same(ranking.space, f"{ranking.method} ranking")
        chosen, others = self.indices(*kinds), self.indices(*against)
        if not chosen.size or not others.size:
            raise ParameterError(f"no neurons to compare: {chosen.size} of {kinds}, {others.size} of {against}")
        places = np.minimum(ranking.positions(), ranking.n_ranked)
        worse = np.sort(places[others])
        before = others.size - np.searchsorted(worse, places[chosen], side="right")
        level = others.size - before - np.searchsorted(worse, places[chosen], side="left")
        return float((before + level / 2).mean() / others.size)


def planted(
    sentences: int = 200,
    *,
    length: int = 5,
    labels: Sequence[str] = ("ADJ", "DET", "NOUN", "VERB"),
    strength: float = 5.0,
    neurons: PlantedNeurons = PlantedNeurons(),
    seed: int = 0,
    words_seed: int | None = None,
) -> Planted:
    """Plant neurons whose role is known: a data set to test a ranking method on.

    Words are drawn at random from 40 types, and labels independently of the words, each for the same number of
    words (or one more, if the words cannot be divided evenly). The seed determines the order of the neurons.
    The same arguments give the same bytes.

    Args:
        sentences: number of sentences.
        length: number of words of each sentence.
        labels: two or more; sorted.
        strength: signal-to-noise ratio: the mean difference of an exclusive or shared neuron between words with
            its labels and other words, in standard deviations of its noise. 0 plants nothing.
        neurons: number and properties of the neurons of each kind.
        seed: random seed of the order of neurons and of the values of weak and constant neurons.
        words_seed: random seed of words, labels and noise; None for ``seed``. Another value gives held-out
            words of the same neurons.

    Returns:
        Float32 activations (words, neurons) of one site, and the role of every neuron.

    Raises:
        ParameterError: an impossible number, fewer than two labels, or fewer words than labels.
        LabelError: neurons are requested for a label that is not among the labels.

    >>> data = planted(30, seed=1)
    >>> data.activations.values().shape
    (150, 32)
    >>> data.indices("exclusive", label="NOUN").size, data.indices("shared", label="NOUN").size
    (1, 0)
    """
    names = _sorted_labels(labels)
    for what, count in (("sentences", sentences), ("length", length)):
        require_count(what, count, 1)
    for what, count in (("seed", seed), ("words_seed", seed if words_seed is None else words_seed)):
        require_count(what, count, 0)
    require_size("strength", strength)
    if sentences * length < len(names):
        raise ParameterError(f"{sentences * length} words are too few for {len(names)} labels")
    chosen, drawn = neurons.among(names), seed if words_seed is None else words_seed
    parts = draw_parts(chosen, names, np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([drawn, 1])
    corpus = _corpus((sentences, length), names, rng, f"planted-{drawn}")
    values = _values(parts, corpus.layer(LAYER).codes, strength, rng)
    space = NeuronSpace(("layers.0",), (len(parts.kind),))
    parameters = {
        "length": length,
        "labels": names,
        "strength": strength,
        "words_seed": drawn,
        **asdict(chosen),
    }
    provenance = Provenance(
        stage="planted",
        corpus=CorpusIdentity.of(corpus),
        sites=space.sites,
        parameters=json.loads(json.dumps(parameters)),
        seed=seed,
    )
    activations = Activations(values, space, corpus, provenance)
    return Planted(activations, parts.kind, names, parts.carries, parts.original)


def _corpus(shape: tuple[int, int], labels: tuple[str, ...], rng: np.random.Generator, source: str) -> Corpus:
    types = rng.integers(0, WORD_TYPES, size=shape)
    codes = rng.permutation(np.resize(np.arange(len(labels), dtype=np.int32), types.size))
    corpus = Corpus.from_sentences([[f"w{number}" for number in row] for row in types], source=source)
    return corpus.with_layer(LabelLayer(LAYER, codes, labels))


def _values(parts: Parts, codes: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return the values, float32 (words, neurons)."""
    values = rng.normal(size=(codes.size, len(parts.kind))) * parts.deviation
    values += parts.level + strength * NOISE * parts.means.T[codes]
    copies = np.flatnonzero(parts.original >= 0)
    values[:, copies] += values[:, parts.original[copies]]
    return values.astype(np.float32)


def _sorted_labels(labels: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(labels, str) else tuple(sorted(labels))
    if len(names) < 2 or len(set(names)) < len(names):
        raise ParameterError(f"labels must be two or more different names, got {labels!r}")
    return names
