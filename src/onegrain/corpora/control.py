"""Control tasks [Hewitt19]: a random label for every word type, to measure what a probe can memorise."""

from __future__ import annotations

import numpy as np

from onegrain.errors import LabelError, ParameterError
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer

__all__ = ["control_task"]


def control_task(train: Corpus, *others: Corpus, layer: str, seed: int = 0) -> tuple[Corpus, ...]:
    """Add the control layer of a label layer, named ``{layer}-control``, to corpora that belong together.

    Every word type gets one label, drawn from the distribution of the layer's labels over the words of
    ``train``, and keeps it in all corpora. Labels are drawn for the types in sorted order, first for those of
    ``train`` and then for the remaining ones, so the layer of ``train`` does not depend on the other corpora.
    Words that ``layer`` leaves unlabelled stay unlabelled.

    Source: Hewitt and Liang, Designing and Interpreting Probes with Control Tasks, 2019, section 2.

    Args:
        train: the corpus that gives the distribution.
        others: further corpora (dev, test), which need the layer as well.
        layer: the label layer to control for.
        seed: random seed, 0 or more.

    Returns:
        The corpora with the new layer, in the order of the arguments.

    Raises:
        LabelError: a corpus does not have the layer, or it labels no word of ``train``.
        ParameterError: the seed is negative.
    """
    if seed < 0:
        raise ParameterError(f"seed must be 0 or more, got {seed}")
    corpora = (train, *others)
    layers = [corpus.layer(layer) for corpus in corpora]
    counts = np.array(list(layers[0].counts().values()), dtype=np.float64)
    if counts.sum() == 0:
        raise LabelError(f"layer {layer!r} labels no word of {train.source}, so there is nothing to draw from")
    first = set(train.words)
    later = {word for corpus in others for word in corpus.words} - first
    types = [*sorted(first), *sorted(later)]
    drawn = np.random.default_rng(seed).choice(counts.size, size=len(types), p=counts / counts.sum())
    label = {word: layers[0].vocabulary[code] for word, code in zip(types, drawn.tolist(), strict=True)}
    name = f"{layer}-control"
    pairs = zip(corpora, layers, strict=True)
    return tuple(corpus.with_layer(_layer_of(name, corpus, gold, label)) for corpus, gold in pairs)


def _layer_of(name: str, corpus: Corpus, gold: LabelLayer, label: dict[str, str]) -> LabelLayer:
    labels = [
        label[word] if code != UNLABELLED else None
        for word, code in zip(corpus.words, gold.codes.tolist(), strict=True)
    ]
    return LabelLayer.from_labels(name, labels)
