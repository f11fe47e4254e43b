"""The sentences of a store that pass filters, in an order, and the parallel sentences of another store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.columns import neuron_column
from onegrain.explorer.filters import Match, matched_words, passing_sentences
from onegrain.explorer.recent import Recent
from onegrain.explorer.state import Explorer
from onegrain.explorer.typed import reads_translations
from onegrain.library import ACTIVATIONS
from onegrain.records.corpus import Corpus

__all__ = ["SORTS", "PassingSentences", "Sort", "find_sentences", "parallel_corpus", "sentence_scores"]

Sort = Literal["corpus", "max", "min", "mean", "mean-low"]
SORTS = {
    "corpus": "order of the corpus",
    "max": "highest value first",
    "min": "lowest value first",
    "mean": "highest mean first",
    "mean-low": "lowest mean first",
}
MOST_ORDERS = 64


@dataclass(frozen=True, eq=False)
class PassingSentences:
    """Sentences that pass filters, in an order.

    Attributes:
        sentences: int64, their numbers from 0.
        scores: float64, what they are sorted by; NaN in the order of the corpus.
        marked: bool (words,), the words that they pass for.
    """

    sentences: Int64[np.ndarray, " sentences"]
    scores: Float64[np.ndarray, " sentences"]
    marked: Bool[np.ndarray, " words"]


def find_sentences(
    explorer: Explorer, store: Entry, filters: Sequence[str], match: Match, sort: Sort, by: int | None
) -> PassingSentences:
    """Return the sentences of a store that pass filters, sorted by a neuron.

    Args:
        explorer: the explorer.
        store: the store.
        filters: see :mod:`onegrain.explorer.filters`.
        match: how the filters are combined.
        sort: the order.
        by: flat index of the neuron to sort by; None leaves the order of the corpus.
    """
    kept: Recent[PassingSentences] = explorer.collection.derived("sentence orders", lambda: Recent(MOST_ORDERS))
    key = (store.name, tuple(filters), match, sort, by)
    return kept.get(key, lambda: _find(explorer, store, filters, match, sort, by))


def _find(
    explorer: Explorer, store: Entry, filters: Sequence[str], match: Match, sort: Sort, by: int | None
) -> PassingSentences:
    corpus = explorer.collection.store(store.name).corpus
    masks = [matched_words(explorer, store, text) for text in filters]
    passing, marked = passing_sentences(masks, corpus, match)
    numbers = np.flatnonzero(passing)
    if sort == "corpus" or by is None:
        return PassingSentences(numbers, np.full(numbers.size, np.nan), marked)
    scores = sentence_scores(corpus, neuron_column(explorer, store, by), sort)[numbers]
    sign = 1.0 if sort in ("min", "mean-low") else -1.0
    order = np.argsort(np.where(np.isnan(scores), np.inf, sign * scores), kind="stable")
    return PassingSentences(numbers[order], scores[order], marked)


def sentence_scores(corpus: Corpus, values: np.ndarray, sort: Sort) -> Float64[np.ndarray, " sentences"]:
    """Return the largest, smallest or mean value of a neuron in each sentence; NaN if no word has one.

    >>> corpus = Corpus.from_sentences([["a", "b"], ["c"]])
    >>> sentence_scores(corpus, np.array([1.0, 3.0, np.nan]), "mean").tolist()
    [2.0, nan]
    """
    known = np.isfinite(values)
    sentence, numbers = corpus.sentence_of_word[known], values[known].astype(np.float64)
    if sort in ("max", "min"):
        scores = np.full(corpus.n_sentences, np.nan)
        (np.fmax if sort == "max" else np.fmin).at(scores, sentence, numbers)
        return scores
    counts = np.bincount(sentence, minlength=corpus.n_sentences)
    sums = np.bincount(sentence, weights=numbers, minlength=corpus.n_sentences)
    return np.divide(sums, counts, out=np.full(corpus.n_sentences, np.nan), where=counts > 0)


def parallel_corpus(collection: Collection, store: Entry) -> Corpus | None:
    """Return the sentences that translate those of a store, or that they translate; None if it has none.

    A store holds the words of one side. The other side is that of a store of the same parallel corpus in the
    collection: the one was read from the words of the other.
    """
    activations = collection.store(store.name)
    if activations.corpus.target is not None:
        return activations.corpus.target
    found: Corpus | None = collection.derived(
        f"parallel corpus of {store.name}", lambda: _other_side(collection, store)
    )
    return found


def _other_side(collection: Collection, store: Entry) -> Corpus | None:
    words, read_from = _identities(collection, store)
    for entry in collection.of_kind(ACTIVATIONS):
        if entry.name == store.name:
            continue
        other_words, other_from = _identities(collection, entry)
        if (read_from and read_from == other_words) or (other_from and other_from == words):
            corpus = collection.store(entry.name).corpus
            if corpus.n_sentences == collection.store(store.name).corpus.n_sentences:
                return corpus
    return None


def _identities(collection: Collection, store: Entry) -> tuple[str, str]:
    """Return the hash of a store's words, and of the words that its sentences translate."""
    extraction = collection.store(store.name).provenance.made_by("extract")
    words = extraction.corpus.content_hash if extraction.corpus is not None else ""
    source = extraction.parameters.get("read_from")
    if not isinstance(source, dict) or not reads_translations(extraction):
        return words, ""
    return words, str(source.get("content_hash", ""))
