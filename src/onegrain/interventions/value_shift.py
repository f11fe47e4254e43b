"""The change of an encoder's values by an edit, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from onegrain.activations import live_activations
from onegrain.interventions.editing import editing
from onegrain.interventions.intervention import Intervention
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["ValueShift", "value_shift"]


@dataclass(frozen=True, eq=False)
class ValueShift:
    """The change of the values of one site at every word.

    Attributes:
        site: the site.
        words: the words.
        cosine: cosine of the values before and after the edit; 1 if only their length changes. NaN for a word
            without values or with none but 0.
        change: length of the difference as a share of the length before.
    """

    site: str
    words: tuple[str, ...]
    cosine: Float64[np.ndarray, " words"]
    change: Float64[np.ndarray, " words"]


def value_shift(
    model: LoadedModel,
    interventions: Intervention | Sequence[Intervention],
    text: Corpus,
    *,
    site: str | None = None,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
) -> ValueShift:
    """Set neurons, and return how far the values of one site move at each word of a text.

    Args:
        model: a model, such as an encoder.
        interventions: the edits.
        text: the words.
        site: the site; the last one by default.
        reference: activations of the model, or statistics, for the edits that need some.
        pairs: for ``interchange``, a corpus with one sentence for each sentence of the text.

    Raises:
        ParameterError: an edit lacks its reference, or touched no value.
        MismatchError: the model does not have a site, or the reference is of another model.
        CorpusError: the text has no words, or is longer than the model reads.
    """
    several = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    chosen = site if site is not None else model.space().sites[-1]
    before = _values(model, text, chosen)
    with editing(model, several, reference=reference, pairs=pairs):
        after = _values(model, text, chosen)
    lengths, edited = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (before * after).sum(1) / (lengths * edited)
        change = np.linalg.norm(after - before, axis=1) / lengths
    return ValueShift(chosen, text.words, cosine, change)


def _values(model: LoadedModel, text: Corpus, site: str) -> np.ndarray:
    return live_activations(model, text, sites=[site]).values().astype(np.float64)
