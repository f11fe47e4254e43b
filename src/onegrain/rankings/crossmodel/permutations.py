"""The permutation null: sentences of the ranked model exchange places.

The words of a sentence have much in common, so words are not exchangeable, and a null of words in random order
has too little spread. Instead, entire sentences are exchanged with others of equal length, word by word. This
keeps what the words of a sentence share, and what depends on the position of a word, on both sides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from onegrain.errors import ParameterError
from onegrain.rankings.crossmodel.matching import find_partners
from onegrain.rankings.crossmodel.null import Null
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.partners import Partners
from onegrain.rankings.crossmodel.rows import ReorderedRows, copied
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.records.activations import Activations

__all__ = ["LEAST_GROUP", "Exchange", "permutations", "permuted"]

LEAST_GROUP = 8
"""Least number of sentences that exchange places; lengths with fewer sentences are grouped together."""


class Exchange:
    """Random exchanges of sentences of similar length.

    Sentences of one length form a group. Lengths with fewer than ``LEAST_GROUP`` sentences are grouped with the
    next longer ones; the longest are grouped with those before them. A sentence moved to a longer place is
    repeated from its beginning; a sentence moved to a shorter place is cut.

    Args:
        sentence: int64 (words,), the sentence of each word, ascending.
        among: bool (words,), the words that count; the others keep their places.

    Attributes:
        groups: int64 (sentences,) each, the sentences that exchange places with each other.

    Raises:
        ParameterError: fewer than two sentences have a word that counts.
    """

    def __init__(self, sentence: Int64[np.ndarray, " words"], among: Bool[np.ndarray, " words"]) -> None:
        self._n_words = len(sentence)
        self._counted = np.flatnonzero(among)
        _, self._first, self._lengths = np.unique(
            sentence[self._counted], return_index=True, return_counts=True
        )
        if len(self._lengths) < 2:
            raise ParameterError(
                "null=permutation exchanges entire sentences, but all words are in one; give text that is "
                "split into sentences, or null=rotation"
            )
        self.groups = _groups(self._lengths)

    def order(self, rng: np.random.Generator) -> Int64[np.ndarray, " words"]:
        """Return for each place the number of the word that a random exchange moves to it, int64 (words,)."""
        donor = np.empty(len(self._lengths), dtype=np.int64)
        for group in self.groups:
            donor[group] = rng.permutation(group)
        place = np.arange(len(self._counted)) - np.repeat(self._first, self._lengths)
        inside = place % np.repeat(self._lengths[donor], self._lengths)
        order = np.arange(self._n_words)
        order[self._counted] = self._counted[np.repeat(self._first[donor], self._lengths) + inside]
        return order


def _groups(lengths: Int64[np.ndarray, " sentences"]) -> list[Int64[np.ndarray, " sentences"]]:
    """Return the sentences of each length, with small groups merged."""
    rising = np.argsort(lengths, kind="stable")
    runs = np.split(rising, np.flatnonzero(np.diff(lengths[rising])) + 1)
    groups: list[np.ndarray] = []
    for run in runs:
        if groups and len(groups[-1]) < LEAST_GROUP:
            groups[-1] = np.concatenate([groups[-1], run])
        else:
            groups.append(run)
    if len(groups) > 1 and len(groups[-1]) < LEAST_GROUP:
        last = groups.pop()
        groups[-1] = np.concatenate([groups[-1], last])
    return groups


def permutations(passes: Passes, reduce: np.ufunc, options: CorrelationOptions, seed: int) -> Null:
    """Return the permutation null: one pass over the words, in this process, for each draw.

    Raises:
        ParameterError: all words are in one sentence.
    """
    ranked, others = passes.models[0], passes.models[1:]
    exchange = Exchange(ranked.corpus.sentence_of_word, passes.among)
    in_memory = isinstance(ranked.array, np.ndarray) and ranked.columns is None
    table = ranked.array if in_memory else copied(ranked)
    scores = np.empty((options.draws, ranked.n_neurons))
    for draw in range(options.draws):
        moved = _moved(ranked, table, exchange.order(np.random.default_rng([seed, draw])))
        partners = Partners(len(others), ranked.n_neurons, 1, signed=options.signed)
        find_partners(
            passes.over_models((moved, *others)),
            [partners],
            same_site=options.compare == "same-site",
            what=f"permutation {draw + 1} of {options.draws}",
        )
        scores[draw] = reduce.reduce(partners.scores, axis=0)
    return Null("permutation", scores)


def permuted(
    activations: Activations, table: Any, among: Bool[np.ndarray, " words"], rng: np.random.Generator
) -> Activations:
    """Return the activations with sentences of similar length exchanged at random.

    Args:
        activations: the activations.
        table: their values (words, neurons), from which any rows can be read.
        among: bool (words,), the words that count; the others keep their places.
        rng: generator of the exchange.
    """
    return _moved(activations, table, Exchange(activations.corpus.sentence_of_word, among).order(rng))


def _moved(activations: Activations, table: Any, order: np.ndarray) -> Activations:
    return replace(activations, array=ReorderedRows(table, order), columns=None)
