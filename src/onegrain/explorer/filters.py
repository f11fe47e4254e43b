"""Filters of words that an address carries: by word, label, value and position.

Each is one text, ``KIND=VALUE``:

- ``word=dog``: the word itself, with its case;
- ``regex=.+ing``: a regular expression that matches all of the word;
- ``label=NOUN`` or ``label=upos=NOUN``: a label, of any layer or of one;
- ``value=layers.0:3=0.5..2``: the value of a neuron; a bound may be left out;
- ``sd=layers.0:3=2..``: the same in standard deviations from the neuron's mean;
- ``position=0..2`` or ``position=-1``: the place in the sentence, from 0, or from the end with a minus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool

from onegrain.errors import ParameterError
from onegrain.explorer.collection import Entry
from onegrain.explorer.columns import neuron_column, scale_of
from onegrain.explorer.expressions import matching
from onegrain.explorer.pages.page import neuron_index
from onegrain.explorer.state import Explorer
from onegrain.records.corpus import Corpus

__all__ = ["EXAMPLES", "Match", "matched_words", "passing_sentences"]

Match = Literal["all", "any", "each"]
"""One word passes all filters; one word passes any of them; or each filter is passed by some word."""

EXAMPLES = (
    "word=dog", "regex=.+ing", "label=NOUN", "label=upos=NOUN", "value=SITE:UNIT=0.5..2", "sd=SITE:UNIT=2..",
    "position=0..2", "position=-1",
)  # fmt: skip


@dataclass(frozen=True)
class _Range:
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float

    @classmethod
    def read(cls, text: str, what: str) -> _Range:
        """Read ``low..high``, with either bound left out, or one number."""
        first, dots, last = text.partition("..")
        try:
            low = float(first) if first.strip() or not dots else -math.inf
            high = (float(last) if last.strip() else math.inf) if dots else low
        except ValueError:
            low = high = math.nan
        if not low <= high:
            raise ParameterError(f"{what} needs a number or a range such as 0.5..2, got {text!r}")
        return cls(low, high)

    def holds(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.asarray((values >= self.low) & (values <= self.high))


def matched_words(explorer: Explorer, store: Entry, text: str) -> Bool[np.ndarray, " words"]:
    """Return a mask of the words of a store that pass a filter.

    Raises:
        ParameterError: the filter is not understood.
        NotFoundError: it names a neuron that the store does not have.
    """
    kind, equals, value = text.partition("=")
    kind = kind.strip()
    corpus = explorer.collection.store(store.name).corpus
    if not equals or not value:
        raise _unknown(text)
    match kind:
        case "word":
            return _is_among(corpus, frozenset([value]))
        case "regex":
            return _is_among(corpus, matching(value, corpus.words))
        case "label":
            return _has_label(corpus, value)
        case "value" | "sd":
            return _in_range(explorer, store, kind, value)
        case "position":
            return _at_position(corpus, _Range.read(value, "position"))
        case _:
            raise _unknown(text)


def passing_sentences(
    masks: Sequence[np.ndarray], corpus: Corpus, match: Match
) -> tuple[Bool[np.ndarray, " sentences"], Bool[np.ndarray, " words"]]:
    """Return the sentences that pass some filters together, and the words that they pass for.

    Args:
        masks: of each filter the words that pass it, bool (words,).
        corpus: the corpus of the words.
        match: how the filters are combined.
    """
    if not masks:
        return np.ones(corpus.n_sentences, dtype=bool), np.zeros(corpus.n_words, dtype=bool)
    combine = np.logical_and if match == "all" else np.logical_or
    words = np.asarray(combine.reduce(masks))
    if match != "each":
        return _with_any(words, corpus), words
    sentences = np.logical_and.reduce([_with_any(mask, corpus) for mask in masks])
    return sentences, words & sentences[corpus.sentence_of_word]


def _with_any(words: np.ndarray, corpus: Corpus) -> np.ndarray:
    return np.bincount(corpus.sentence_of_word[words], minlength=corpus.n_sentences) > 0


def _is_among(corpus: Corpus, listed: frozenset[str]) -> np.ndarray:
    return np.fromiter((word in listed for word in corpus.words), dtype=bool, count=corpus.n_words)


def _has_label(corpus: Corpus, value: str) -> np.ndarray:
    name, equals, rest = value.partition("=")
    wanted = {name: rest} if equals and name in corpus.layers else dict.fromkeys(corpus.layers, value)
    masks = [
        corpus.layers[layer].codes == corpus.layers[layer].vocabulary.index(label)
        for layer, label in wanted.items()
        if label in corpus.layers[layer].vocabulary
    ]
    if not masks:
        layers = ", ".join(sorted(corpus.layers)) or "none"
        raise ParameterError(
            f"no label {value!r}; write label=LABEL or label=LAYER=LABEL; the layers are: {layers}"
        )
    return np.asarray(np.logical_or.reduce(masks))


def _in_range(explorer: Explorer, store: Entry, kind: str, value: str) -> np.ndarray:
    name, equals, bounds = value.rpartition("=")
    if not equals:
        raise ParameterError(f"{kind} needs a neuron and a range, such as {kind}=SITE:UNIT=0.5..2")
    neuron = neuron_index(explorer.collection.store(store.name).space, name)
    values = neuron_column(explorer, store, neuron).astype(np.float64)
    if kind == "sd":
        scale = scale_of(explorer, store, [neuron])
        with np.errstate(divide="ignore", invalid="ignore"):
            values = (values - scale.mean[0]) / scale.std[0]
    return _Range.read(bounds, kind).holds(values)


def _at_position(corpus: Corpus, wanted: _Range) -> np.ndarray:
    starts = corpus.offsets[corpus.sentence_of_word]
    ends = corpus.offsets[corpus.sentence_of_word + 1]
    from_start = np.arange(corpus.n_words) - starts
    from_end = np.arange(corpus.n_words) - ends
    low = from_end if math.copysign(1, wanted.low) < 0 and math.isfinite(wanted.low) else from_start
    high = from_end if wanted.high < 0 else from_start
    return np.asarray((low >= wanted.low) & (high <= wanted.high))


def _unknown(text: str) -> ParameterError:
    return ParameterError(f"the filter {text!r} is not understood; filters look like: {', '.join(EXAMPLES)}")
