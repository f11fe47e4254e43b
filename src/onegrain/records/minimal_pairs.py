"""Minimal pairs as a corpus: sentences 2i and 2i + 1 are the good and the bad sentence of pair i."""

from __future__ import annotations

from typing import Any

import numpy as np

from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form

__all__ = ["ACCEPTABILITY", "LABELS", "PARADIGM", "require_minimal_pairs", "sentence_form"]

ACCEPTABILITY = "acceptability"
"""The layer that labels every word of a good sentence ``good``, and of a bad one ``bad``."""

PARADIGM = "paradigm"
"""The layer that labels every word with the name of what the pairs test, BLiMP's ``UID``."""

LABELS = ("good", "bad")
"""The labels of the layer, in the order of a pair's sentences."""


def require_minimal_pairs(corpus: Corpus) -> None:
    """Check that a corpus consists of minimal pairs of one paradigm.

    Raises:
        CorpusError: it has no pair, its sentences are not good and bad in turn, its pairs are of several
            paradigms, or a pair's sentences are equal.
    """
    if ACCEPTABILITY not in corpus.layers:
        raise CorpusError(
            f"not minimal pairs: the corpus lacks the layer {ACCEPTABILITY!r}; read a BLiMP file with "
            "read_corpus, or generate pairs with sandbox_pairs",
            corpus.source,
        )
    if corpus.n_sentences == 0 or corpus.n_sentences % 2:
        raise CorpusError(
            f"{corpus.n_sentences} sentences are not pairs; keep the good and the bad sentence together",
            corpus.source,
        )
    for number in range(corpus.n_sentences):
        if _labels(corpus, ACCEPTABILITY, number) != {LABELS[number % 2]}:
            raise CorpusError(
                f"sentence {number} (counted from 0) must be the {LABELS[number % 2]} one of its pair, by its "
                f"layer {ACCEPTABILITY!r}; good and bad sentences take turns",
                corpus.source,
            )
    paradigms = corpus.layers[PARADIGM].vocabulary if PARADIGM in corpus.layers else ()
    if len(paradigms) > 1:
        raise CorpusError(
            f"pairs of different paradigms, {paradigms[0]!r} and {paradigms[1]!r}; measure each in a "
            "separate corpus",
            corpus.source,
        )
    for number in range(0, corpus.n_sentences, 2):
        if _sides(corpus, number) == _sides(corpus, number + 1):
            raise CorpusError(
                f"the sentences of pair {number // 2} (counted from 0) are equal: "
                f"{' '.join(corpus.sentence(number))!r}; leave the pair out",
                corpus.source,
            )


def sentence_form(corpus: Corpus, number: int) -> tuple[Any, ...]:
    """Return the words and the running text of a sentence, which are equal for equal sentences."""
    forms = corpus.forms(number, number + 1)
    words = corpus.sentence(number)
    return words, tuple(Form(word) for word in words) if forms is None else forms[0]


def _sides(corpus: Corpus, number: int) -> list[tuple[Any, ...]]:
    """Return a sentence and its translation, in a form that is equal for equal sentences."""
    return [sentence_form(side, number) for side in (corpus, corpus.target) if side is not None]


def _labels(corpus: Corpus, layer: str, number: int) -> set[str | None]:
    """Return the labels of a sentence's words; those of a sentence without words are an empty set."""
    known = corpus.layers[layer]
    codes = known.codes[corpus.offsets[number] : corpus.offsets[number + 1]]
    return {None if code < 0 else known.vocabulary[code] for code in np.unique(codes).tolist()}
