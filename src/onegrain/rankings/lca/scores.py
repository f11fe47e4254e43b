"""Scores on held-out words, and the standard error of the difference of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Score", "paired_error", "sentence_sums", "sentence_words"]


@dataclass(frozen=True, eq=False)
class Score:
    """A mean over held-out words, plus what is the same for all probes that are compared.

    Attributes:
        value: the score.
        sums: float64 (sentences,), what the words of each sentence add up to.
    """

    value: float
    sums: np.ndarray


def sentence_words(sentences: np.ndarray) -> np.ndarray:
    """Return how many words each of the sentences has, float64 (sentences,), from the sentence of each word."""
    return np.unique(sentences, return_counts=True)[1].astype(np.float64)


def sentence_sums(sentences: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the sums of the values (words,) over the words of each sentence, float64 (sentences,)."""
    _, places = np.unique(sentences, return_inverse=True)
    return np.bincount(places, weights=values)


def paired_error(first: Score, second: Score, words: np.ndarray) -> float:
    """Return the standard error of the difference of two scores on the same words, over sentences.

    The words of a sentence are not independent, so the error is that of a ratio of sums over sentences, to
    first order (Cochran, *Sampling Techniques*, 1977, ch. 6). It is 0 for a single sentence.

    >>> score = Score(0.5, np.array([1.0, 0.0]))
    >>> paired_error(score, Score(0.5, np.array([0.0, 1.0])), np.array([1.0, 1.0]))
    1.0

    Args:
        first: a score.
        second: another.
        words: float64 (sentences,), words of each sentence.
    """
    count = len(words)
    if count < 2:
        return 0.0
    difference = first.sums - second.sums
    residual = difference - words * (difference.sum() / words.sum())
    return float(np.sqrt(np.square(residual).sum() * count / (count - 1)) / words.sum())
