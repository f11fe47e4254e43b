"""The text that a model writes before and after an edit, with the likelihood of each subword in both cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from onegrain.core.options import require_count
from onegrain.interventions.editing import editing
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.steer import steer
from onegrain.interventions.steering import Steering
from onegrain.models import LoadedModel
from onegrain.models.writing import WrittenText, write_text
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["ScoredText", "SteeredText", "steer_text"]


@dataclass(frozen=True, eq=False)
class ScoredText:
    """A text that a model wrote, with the log-probability of each subword before and after an edit.

    Attributes:
        subwords: the subwords as text.
        before: log-probabilities in the untouched model, nats.
        after: log-probabilities in the edited model, nats.
    """

    subwords: tuple[str, ...]
    before: Float64[np.ndarray, " subwords"]
    after: Float64[np.ndarray, " subwords"]


@dataclass(frozen=True, eq=False)
class SteeredText:
    """The text that a model writes before and after an edit.

    Attributes:
        steering: both texts, and the words that differ.
        before: the text of the untouched model, subword by subword.
        after: the text of the edited model, subword by subword.
    """

    steering: Steering
    before: ScoredText
    after: ScoredText


def steer_text(
    model: LoadedModel,
    interventions: Intervention | Sequence[Intervention],
    text: Corpus,
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    max_new_tokens: int = 40,
) -> SteeredText:
    """Set neurons, and return what the model writes for a text, with the log-probability of every subword.

    Both texts are scored by both models: where an edit raises the probability of a word that is not written, or
    lowers that of one that still is, the log-probabilities show it.

    Args:
        model: a language model or a translation model.
        interventions: the edits.
        text: a corpus of one sentence.
        reference: activations of the model, or statistics, for the edits that need some.
        pairs: for ``interchange``, a corpus of one sentence, the pair of the text.
        max_new_tokens: the largest number of subwords to write.

    Raises:
        ParameterError: see :func:`onegrain.steer`.
        MismatchError: the model does not have a site, or the reference is of another model.
        CorpusError: the text has no words, or fills all positions of the model.
    """
    require_count("max_new_tokens", max_new_tokens)
    several = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    steering = steer(model, several, text, reference=reference, pairs=pairs, max_new_tokens=max_new_tokens)
    before = write_text(model, text, max_new_tokens=max_new_tokens)
    with editing(model, several, reference=reference, pairs=pairs):
        after = write_text(model, text, max_new_tokens=max_new_tokens)
        before_edited = write_text(model, text, ids=before.ids)
    after_intact = write_text(model, text, ids=after.ids)
    return SteeredText(steering, _scored(before, before, before_edited), _scored(after, after_intact, after))


def _scored(text: WrittenText, before: WrittenText, after: WrittenText) -> ScoredText:
    return ScoredText(text.subwords, before.log_probabilities, after.log_probabilities)
