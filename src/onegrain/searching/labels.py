"""The labels that an index keeps: those of all layers with enough words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from onegrain.records.activations import Activations
from onegrain.records.labels import LabelLayer
from onegrain.searching.options import IndexOptions

__all__ = ["KeptLabels", "layer_digest"]


@dataclass(frozen=True, eq=False)
class KeptLabels:
    """The labels that an index keeps, layer after layer.

    Attributes:
        names: layer and label of each.
        words: int64 (labels,), number of words of each that have an activation.
        spans: by layer that has any, its labels among all that are kept.
        codes: by layer, int32 (words,), the number of each word's label among all that are kept; -1 for none.
        left_out: by layer, number of its labels that are not kept.
        digests: by layer, the digest of its labels at all words.
    """

    names: tuple[tuple[str, str], ...]
    words: Int64[np.ndarray, " labels"]
    spans: dict[str, slice]
    codes: dict[str, Int32[np.ndarray, " words"]]
    left_out: dict[str, int]
    digests: dict[str, str]

    @classmethod
    def of(cls, activations: Activations, options: IndexOptions) -> KeptLabels:
        """Return the most frequent labels of all layers, up to the numbers of the options."""
        present = activations.present
        layers = sorted(activations.corpus.layers.values(), key=lambda layer: layer.name)
        counts = {
            layer.name: np.bincount(layer.codes[present] + 1, minlength=len(layer.vocabulary) + 1)[1:]
            for layer in layers
        }
        frequent = [
            (-int(size), layer.name, code)
            for layer in layers
            for code, size in enumerate(counts[layer.name].tolist())
            if size >= options.min_words
        ]
        kept = sorted((name, code) for _, name, code in sorted(frequent)[: options.max_labels])
        vocabulary = {layer.name: layer.vocabulary for layer in layers}
        spans, codes = {}, {}
        for layer in layers:
            places = [place for place, (name, _) in enumerate(kept) if name == layer.name]
            if places:
                number = np.full(len(layer.vocabulary) + 1, -1, dtype=np.int32)
                number[[kept[place][1] + 1 for place in places]] = places
                spans[layer.name] = slice(places[0], places[-1] + 1)
                codes[layer.name] = number[layer.codes[present] + 1]
        names = tuple((name, vocabulary[name][code]) for name, code in kept)
        return cls(
            names=names,
            words=np.array([counts[name][code] for name, code in kept], dtype=np.int64),
            spans=spans,
            codes=codes,
            left_out={
                layer.name: len(layer.vocabulary) - sum(name == layer.name for name, _ in kept)
                for layer in layers
            },
            digests={layer.name: layer_digest(layer) for layer in layers},
        )


def layer_digest(layer: LabelLayer) -> str:
    """Return the SHA-256 (hex) of the labels of a layer at all words."""
    digest = hashlib.sha256("\n".join(layer.vocabulary).encode("utf-8", "surrogatepass"))
    digest.update(np.ascontiguousarray(layer.codes, dtype="<i4").tobytes())
    return digest.hexdigest()
