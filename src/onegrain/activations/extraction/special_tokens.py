"""Store special tokens as words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onegrain.errors import ParameterError
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer
from onegrain.records.running_text import Form, RunningText

__all__ = ["with_special_tokens"]


def with_special_tokens(corpus: Corpus, before: Sequence[str], after: Sequence[str]) -> Corpus:
    """Return the corpus with special tokens as unlabelled words around each sentence.

    Raises:
        ParameterError: there are no special tokens.
    """
    if not before and not after:
        raise ParameterError("the tokenizer adds no special tokens around a sentence; leave special_tokens out")
    words: list[str] = []
    rows: list[int] = []
    forms: list[Form] = []
    offsets = [0]
    for number in range(corpus.n_sentences):
        words += [*before, *corpus.sentence(number), *after]
        for spelled in corpus.forms(number, number + 1) or []:
            forms += [*map(Form, before), *spelled, *map(Form, after)]
        originals = range(int(corpus.offsets[number]), int(corpus.offsets[number + 1]))
        rows += [UNLABELLED] * len(before) + list(originals) + [UNLABELLED] * len(after)
        offsets.append(len(words))
    row_of = np.array(rows, dtype=np.int64)
    layers = {}
    for name, layer in corpus.layers.items():
        codes = np.where(row_of < 0, UNLABELLED, layer.codes[row_of]).astype(np.int32)
        layers[name] = LabelLayer(name, codes, layer.vocabulary)
    running = RunningText.of(forms) if forms else None
    return Corpus(tuple(words), np.array(offsets, dtype=np.int64), layers, corpus.source, running=running)
