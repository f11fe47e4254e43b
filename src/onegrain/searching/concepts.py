"""Turn a word list, a regular expression or a label into the words of a concept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from onegrain.corpora.annotation import annotate_regex, annotate_words, read_word_list
from onegrain.errors import LabelError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.concept_search import Concept
from onegrain.records.corpus import Corpus

__all__ = ["concept_words"]

EXAMPLES = 10
NAME = "concept"


def concept_words(
    activations: Activations,
    *,
    words: str | Path | Iterable[str] | None = None,
    regex: str | None = None,
    label: str | None = None,
    layer: str | None = None,
) -> tuple[Concept, Bool[np.ndarray, " words"]]:
    """Return a concept, and a mask of its words that have an activation.

    Raises:
        ParameterError: none or several of ``words``, ``regex`` and ``label``, an empty list, a faulty regular
            expression, a layer without a label, or a concept without words or without other words.
        LabelError: no layer has the label, or several have it and none is named.
    """
    chosen = [
        name for name, value in (("words", words), ("regex", regex), ("label", label)) if value is not None
    ]
    if len(chosen) != 1:
        raise ParameterError(
            f"search for one of words, regex or label; got {' and '.join(chosen) if chosen else 'none'}"
        )
    if layer is not None and label is None:
        raise ParameterError("layer names the label layer of a label; give label, or leave out layer")
    corpus = activations.corpus
    kind = chosen[0]
    if label is not None:
        layer = _layer_of(corpus, label, layer)
        mask = np.zeros(corpus.n_words, dtype=bool)
        mask[activations.words_of(layer, label)] = True
        value = label
    elif regex is not None:
        mask, value = _of_types(corpus, annotate_regex(_types_of(corpus), NAME, regex)), regex
    else:
        assert words is not None
        listed = [words] if isinstance(words, str) else words
        mask, value = _listed(corpus, listed)
    mask &= activations.present
    _require_both(activations, mask, f"{kind} {value!r}")
    counts = Counter(corpus.words[row] for row in np.flatnonzero(mask).tolist())
    concept = Concept(
        kind=kind,
        value=value,
        layer=layer,
        words=int(mask.sum()),
        others=int(activations.present.sum() - mask.sum()),
        examples=tuple(word for word, _ in counts.most_common(EXAMPLES)),
    )
    return concept, mask


def _listed(corpus: Corpus, words: Path | Iterable[str]) -> tuple[np.ndarray, str]:
    """Return a mask of the words on a list, and the list as text."""
    listed = list(dict.fromkeys(read_word_list(words) if isinstance(words, Path) else words))
    mask = _of_types(corpus, annotate_words(_types_of(corpus), NAME, listed))
    return mask, str(words) if isinstance(words, Path) else " ".join(listed)


def _types_of(corpus: Corpus) -> Corpus:
    """Return a corpus of one sentence that holds each word type once."""
    return Corpus.from_sentences([list(dict.fromkeys(corpus.words))], source=corpus.source)


def _of_types(corpus: Corpus, types: Corpus) -> np.ndarray:
    """Return a mask of the words whose type is labelled ``yes``."""
    labels = types.layer(NAME).labels()
    chosen = {word for word, label in zip(types.words, labels, strict=True) if label == "yes"}
    return np.fromiter((word in chosen for word in corpus.words), dtype=bool, count=corpus.n_words)


def _layer_of(corpus: Corpus, label: str, layer: str | None) -> str:
    """Return the layer that a label belongs to."""
    if layer is not None:
        return layer
    layers = [name for name, candidate in corpus.layers.items() if label in candidate.vocabulary]
    if len(layers) == 1:
        return layers[0]
    if layers:
        raise LabelError(f"several layers have the label {label!r}: {', '.join(layers)}; name one as layer")
    raise LabelError(f"no layer has the label {label!r}; the layers are: {', '.join(corpus.layers) or 'none'}")


def _require_both(activations: Activations, mask: np.ndarray, what: str) -> None:
    if not mask.any():
        raise ParameterError(
            f"no word of {activations.describe()} with an activation belongs to {what}; words are compared "
            "with their case, and a regular expression must match all of a word"
        )
    if mask.sum() == activations.present.sum():
        raise ParameterError(
            f"every word of {activations.describe()} belongs to {what}, so there are no words to compare with"
        )
