"""The interface by which a method ranks neurons again on draws of its sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onegrain.core.ordering import order_by_score
from onegrain.core.progress import Progress, silent
from onegrain.errors import MismatchError
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = [
    "CountedWords",
    "Order",
    "Redraw",
    "Redrawer",
    "Redrawing",
    "mismatch",
    "options_of",
    "require_scores",
    "require_source",
]

SAME = 1e-3
"""Largest difference between two scores of the same words, relative to the largest score."""

Options = TypeVar("Options")


@dataclass(frozen=True, eq=False)
class Redrawing:
    """A request to make a ranking again on draws of its sentences.

    Attributes:
        ranking: the ranking, as :func:`onegrain.rank` returned it.
        activations: the activations that were ranked.
        others: the other models, for a method that compares models.
        memory: bytes that this process may hold in total, or None.
        device: where to compute, or None for the CPU.
        tolerance: relative duality gap of probes; None for the method's default.
        progress: receives the progress of passes.
    """

    ranking: Ranking
    activations: Activations
    others: tuple[Activations, ...] = ()
    memory: int | None = None
    device: str | None = None
    tolerance: float | None = None
    progress: Progress = silent

    @property
    def seed(self) -> int:
        """Seed of the ranking, which decides the order of equal neurons in every draw."""
        return self.ranking.provenance.seed or 0


@dataclass(frozen=True, eq=False)
class CountedWords:
    """The words that a ranking counts, by sentence.

    Attributes:
        sentences: int64 (words,), the corpus's number of each word's sentence.
        codes: int64 (words,), each word's position in ``labels``; zeros without labels.
        labels: the labels of the ranking, or empty.
    """

    sentences: Int64[np.ndarray, " words"]
    codes: Int64[np.ndarray, " words"]
    labels: tuple[str, ...] = ()

    @cached_property
    def _numbered(self) -> tuple[np.ndarray, np.ndarray]:
        distinct, number = np.unique(self.sentences, return_inverse=True)
        return distinct, number

    @property
    def number(self) -> Int64[np.ndarray, " words"]:
        """The sentence of each word, counted from 0 over the sentences that have words that count."""
        return self._numbered[1]

    @property
    def n_sentences(self) -> int:
        """Number of sentences that have words that count."""
        return len(self._numbered[0])

    def __len__(self) -> int:
        return len(self.sentences)


@dataclass(frozen=True, eq=False)
class Order:
    """The order of all neurons in one draw.

    Attributes:
        order: int64 (neurons,), flat indices, best first.
        n_ranked: number of neurons that are ranked, the first of the order.
        scores: float64 (neurons,), by flat index; NaN for a neuron without a score.
        label_scores: float64 (labels, neurons), or None for a method without labels.
        gap: relative duality gap of a probe; None for a method that solves nothing, or without penalties.
        converged: False if a probe missed its tolerance.
    """

    order: Int64[np.ndarray, " neurons"]
    n_ranked: int
    scores: Float64[np.ndarray, " neurons"]
    label_scores: Float64[np.ndarray, "labels neurons"] | None = None
    gap: float | None = None
    converged: bool = True

    @classmethod
    def by_scores(cls, scores: np.ndarray, seed: int, label_scores: np.ndarray | None = None) -> Order:
        """Return the order of neurons by their scores, descending, as ``Ranking.by_scores`` sorts them."""
        return cls(order_by_score(scores, seed), int((~np.isnan(scores)).sum()), scores, label_scores)


class Redrawer(Protocol):
    """A way to order neurons again on draws of the sentences that a ranking counts.

    A draw is how often each sentence occurs in it. The order of a draw is that of the method on a corpus in
    which the sentences really occur that often; what a method chooses or scales by all words (penalties,
    standardisation, cells of histograms, labels) is kept.
    """

    @property
    def words(self) -> CountedWords:
        """The words that count."""

    @property
    def changing(self) -> Bool[np.ndarray, " neurons"]:
        """bool (neurons,): False for neurons that are constant over the words that count."""

    @property
    def random(self) -> bool:
        """True if the method takes random steps, so that its order depends on a seed."""

    def orders(self, often: Int64[np.ndarray, "draws sentences"]) -> Sequence[Order]:
        """Return the order of each draw, all computed together.

        Args:
            often: number of times that each sentence of ``words`` occurs in each draw.
        """

    def reseeded(self, seeds: Sequence[int]) -> Sequence[Order]:
        """Return the order of all words for other seeds of the method; called only if it is ``random``."""


Redraw = Callable[[Redrawing], Redrawer]
"""A function that prepares the draws of a ranking."""


def options_of(ranking: Ranking, kind: type[Options]) -> Options:
    """Return the options with which a ranking was made, as an object of their dataclass."""
    known = ranking.provenance.parameters
    names = [field.name for field in fields(kind) if field.name in known]  # type: ignore[arg-type]
    return kind(**{name: known[name] for name in names})


def require_source(ranking: Ranking, activations: Activations, place: int = 0) -> None:
    """Raise MismatchError unless activations have the words, the model and the extraction of a ranking.

    Args:
        ranking: the ranking.
        activations: the activations that may be those that were ranked or compared.
        place: position of these activations among the inputs of the ranking; 0 for those that were ranked.
    """
    if place == 0:
        activations.space.require_same(ranking.space, f"{ranking.method} ranking")
    corpus = ranking.provenance.corpus
    if corpus is not None and corpus.content_hash != activations.corpus.content_hash:
        raise mismatch(ranking, activations, f"words: the ranking's are those of {corpus.source}")
    provenance, inputs = activations.provenance, ranking.provenance.inputs
    source = inputs[place] if place < len(inputs) else provenance
    if _identity(source) != _identity(provenance):
        raise mismatch(ranking, activations, f"model or parameters: the ranking's are {_identity(source)}")


def require_scores(ranking: Ranking, activations: Activations, scores: np.ndarray) -> None:
    """Raise MismatchError unless the scores of all words, computed again, are those of the ranking."""
    stated = ranking.scores
    size = np.nanmax(np.abs(stated[np.isfinite(stated)]), initial=0.0)
    if not np.allclose(scores, stated, rtol=SAME, atol=SAME * size, equal_nan=True):
        raise mismatch(ranking, activations, "values: its scores are not those of the ranking")


def mismatch(ranking: Ranking, activations: Activations, what: str) -> MismatchError:
    """Return the error for activations that differ from those of a ranking in ``what``."""
    return MismatchError(
        f"{activations.describe()} is not what this {ranking.method} ranking was made from; it has other {what}"
        "; give the activations that were ranked"
    )


def _identity(provenance: Provenance) -> str:
    """Return the model and parameters with which activations were extracted, as text."""
    weights = provenance.model.weight_hash if provenance.model else None
    return json.dumps([provenance.stage, weights, provenance.parameters], sort_keys=True)
