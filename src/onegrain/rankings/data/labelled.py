"""The words that a probe learns from or is scored on: each has finite activations and one label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool

from onegrain.core.constant import FLOAT32_ROUNDING, Extremes, rounding_of
from onegrain.core.progress import ignore
from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.rankings.data.blocks import BLOCK_ROWS
from onegrain.rankings.data.memory import Memory, ScratchTable, values_of
from onegrain.rankings.labels import keep_labels
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus

__all__ = [
    "LabelledWords",
    "Split",
    "control_layer",
    "describe_words",
    "held_out",
    "read_labelled",
    "read_matching",
    "read_values",
    "require_held_out",
    "sentences_within",
    "split_sentences",
]


class Split(Protocol):
    """Options that decide which sentences a method learns from."""

    @property
    def max_words(self) -> int | None:
        """Learn from a random part of the sentences with at most this many words; None for all."""

    @property
    def dev_share(self) -> float:
        """Share of the sentences that is held out if no held-out words are given."""


@dataclass(frozen=True, eq=False)
class LabelledWords:
    """Activations with one label per word.

    Attributes:
        values: float32 (words, neurons), in memory or in a scratch file.
        codes: int64 (words,), positions in ``labels``.
        sentences: int64 (words,), the sentence of each word, for the bootstrap and for splits.
        labels: names of the labels, sorted.
        left_out: number of words left out, by reason.
        labels_left_out: number of words of each label that was left out.
        rounding: relative rounding of the values (see core/constant.py).
    """

    values: np.ndarray | ScratchTable
    codes: np.ndarray
    sentences: np.ndarray
    labels: tuple[str, ...]
    left_out: dict[str, int]
    labels_left_out: dict[str, int] = field(default_factory=dict)
    rounding: float = FLOAT32_ROUNDING

    def __len__(self) -> int:
        return len(self.codes)

    def constant(self) -> Bool[np.ndarray, " neurons"]:
        """Return a mask of neurons that do not change by more than rounding over the words, from one pass."""
        extremes = Extremes(self.values.shape[1])
        for first in range(0, len(self), BLOCK_ROWS):
            extremes.add(np.asarray(self.values[first : first + BLOCK_ROWS]))
        return extremes.constant(self.rounding)


def control_layer(layer: str) -> str:
    """Return the name of the control task of a label layer [Hewitt19]."""
    return f"{layer}-control"


def held_out(activations: Activations, share: float, seed: int, among: np.ndarray | None = None) -> np.ndarray:
    """Return a mask, bool (sentences,), of a random ``share`` of the sentences, at least one and not all.

    ``among`` is a mask of the sentences to split, all by default.
    """
    shuffled = np.random.default_rng(seed).permutation(activations.corpus.n_sentences)
    split = shuffled if among is None else shuffled[among[shuffled]]
    if len(split) < 2:
        raise ParameterError(
            "one sentence cannot be split into training and held-out words; give held-out words (dev)"
        )
    count = min(max(1, round(share * len(split))), len(split) - 1)
    mask = np.zeros(len(shuffled), dtype=bool)
    mask[split[:count]] = True
    return mask


def require_held_out(activations: Activations, held: Activations) -> None:
    """Raise MismatchError unless held-out words share neurons and model with the training words but no text."""
    activations.space.require_same(held.space, f"held-out words {held.describe()}")
    if held.corpus.content_hash == activations.corpus.content_hash:
        raise MismatchError(
            f"{held.describe()} holds the training words themselves; give other words, or leave them out"
        )
    models = activations.provenance.model, held.provenance.model
    if models[0] and models[1] and models[0].weight_hash != models[1].weight_hash:
        raise MismatchError(
            f"{activations.describe()} and {held.describe()} come from different models: {models[0].id} and "
            f"{models[1].id}; extract both with one"
        )


def split_sentences(
    activations: Activations, options: Split, seed: int, *, apart: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return masks of the sentences to train on, and to hold out (None if held-out words are given ``apart``).

    Raises:
        ParameterError: ``max_words`` is less than one sentence, or there is only one sentence to split.
    """
    corpus = activations.corpus
    left = None if apart else held_out(activations, options.dev_share, seed)
    kept = np.ones(corpus.n_sentences, dtype=bool) if left is None else ~left
    if options.max_words is not None:
        kept &= sentences_within(corpus, kept, options.max_words, seed)
    return kept, left


def sentences_within(
    corpus: Corpus, allowed: np.ndarray, max_words: int, seed: int, name: str = "max_words"
) -> np.ndarray:
    """Return a mask, bool (sentences,), of random allowed sentences with at most ``max_words`` words in total.

    Args:
        corpus: the corpus.
        allowed: bool (sentences,), the sentences to choose from.
        max_words: largest number of words.
        seed: random seed.
        name: name of the option, for the message.

    Raises:
        ParameterError: no allowed sentence is that short.
    """
    shuffled = np.random.default_rng(seed).permutation(corpus.n_sentences)
    lengths = np.where(allowed, np.diff(corpus.offsets), 0)[shuffled]
    fits = (np.cumsum(lengths) <= max_words) & (lengths > 0)
    if not fits.any():
        raise ParameterError(f"{name}={max_words} is less than one sentence; raise it")
    chosen = np.zeros(corpus.n_sentences, dtype=bool)
    chosen[shuffled[fits]] = True
    return chosen


def describe_words(train: LabelledWords) -> dict[str, Any]:
    """Return what a record reports about training words: their number, labels, and the words left out."""
    counts = np.bincount(train.codes, minlength=len(train.labels)).tolist()
    return {
        "words": len(train),
        "left_out": train.left_out,
        "labels_left_out": train.labels_left_out,
        "label_words": dict(zip(train.labels, counts, strict=True)),
    }


def read_labelled(
    activations: Activations,
    layer: str,
    sentences: np.ndarray,
    min_count: int,
    memory: Memory | None = None,
    advance: Callable[[int], None] = ignore,
) -> LabelledWords:
    """Read the labelled words of some sentences (bool mask), without labels of fewer than ``min_count`` words.

    ``advance`` is called with the number of words of each block, until all words are read.

    Raises:
        LabelError: the layer does not exist, or fewer than two labels are left.
        ParameterError: an activation is not finite.
    """
    requested = sentences[activations.corpus.sentence_of_word]
    inside = requested & activations.present
    labels = keep_labels(activations, layer, inside, min_count)
    left_out = {
        "unlabelled": int((inside & (activations.layer(layer).codes < 0)).sum()),
        "rare_label": sum(labels.left_out.values()),
        **_without_activation(requested & ~inside),
    }
    words = _gather(activations, layer, labels.names, (inside, left_out), memory or Memory(), advance)
    return replace(words, labels_left_out=labels.left_out)


def read_matching(
    activations: Activations,
    layer: str,
    labels: tuple[str, ...],
    sentences: np.ndarray | None = None,
    memory: Memory | None = None,
    advance: Callable[[int], None] = ignore,
) -> LabelledWords:
    """Read the words whose label is one of ``labels``; words with other labels are left out and counted.

    ``advance`` is called as by :func:`read_labelled`.

    Raises:
        LabelError: the layer does not exist, or no word has one of the labels.
        ParameterError: an activation is not finite.
    """
    label_layer = activations.layer(layer)
    requested = np.ones(activations.n_words, dtype=bool)
    if sentences is not None:
        requested = sentences[activations.corpus.sentence_of_word]
    inside = requested & activations.present
    known = np.isin(np.array((*label_layer.vocabulary, "")), labels)[label_layer.codes] & (
        label_layer.codes >= 0
    )
    left_out = {
        "unlabelled": int((inside & (label_layer.codes < 0)).sum()),
        "unknown_label": int((inside & (label_layer.codes >= 0) & ~known).sum()),
        **_without_activation(requested & ~inside),
    }
    words = _gather(activations, layer, labels, (inside, left_out), memory or Memory(), advance)
    if not len(words):
        raise LabelError(
            f"no held-out word of {activations.describe()} has a label of {layer!r} that was learned: "
            f"{', '.join(labels)}"
        )
    return words


def _without_activation(left_out: np.ndarray) -> dict[str, int]:
    """Return the number of words (bool mask) left out for lack of an activation; empty if there are none."""
    return {"no_activation": int(left_out.sum())} if left_out.any() else {}


def _gather(
    activations: Activations,
    layer: str,
    labels: tuple[str, ...],
    chosen: tuple[np.ndarray, dict[str, int]],
    memory: Memory,
    advance: Callable[[int], None],
) -> LabelledWords:
    """Read the words inside a mask that have one of the labels."""
    inside, left_out = chosen
    label_layer = activations.layer(layer)
    number = {name: code for code, name in enumerate(labels)}
    renumber = np.array([number.get(name, -1) for name in (*label_layer.vocabulary, "")], dtype=np.int64)
    renumber[-1] = -1
    codes = renumber[label_layer.codes]
    selected = inside & (codes >= 0)
    values = read_values(activations, selected, memory, advance)
    sentences, rounding = activations.corpus.sentence_of_word[selected], rounding_of(activations.array)
    return LabelledWords(values, codes[selected], sentences, labels, left_out, rounding=rounding)


def read_values(
    activations: Activations, wanted: np.ndarray, memory: Memory, advance: Callable[[int], None] = ignore
) -> np.ndarray | ScratchTable:
    """Read the words of a mask block by block as float32 (words, neurons).

    ``advance`` is called as by :func:`read_labelled`.

    Raises:
        ParameterError: an activation is not finite.
    """
    values = values_of(memory.host_table(int(wanted.sum()), activations.n_neurons, torch.float32))
    first = 0
    for start, block in activations.blocks(reuse=True):
        activations.require_finite(block, start, wanted)
        rows = np.flatnonzero(wanted[start : start + len(block)])
        last = first + len(rows)
        if isinstance(values, ScratchTable):
            values[first:last] = torch.from_numpy(block[rows])
        else:
            np.take(block, rows, axis=0, out=values[first:last], mode="clip")
        first = last
        advance(len(block))
    return values
