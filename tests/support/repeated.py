"""Activations in which sentences really occur as often as in a draw."""

from __future__ import annotations

import numpy as np

from onegrain.records.activations import Activations

__all__ = ["repeated"]


def repeated(activations: Activations, often: np.ndarray) -> Activations:
    """Return the activations with each sentence of the corpus repeated; int64 (sentences,) says how often."""
    sentences = np.repeat(np.arange(len(often)), often)
    words = [np.flatnonzero(activations.corpus.sentence_of_word == sentence) for sentence in sentences]
    corpus = activations.corpus.select(sentences)
    return Activations.from_array(activations.values()[np.concatenate(words)], corpus, activations.space)
