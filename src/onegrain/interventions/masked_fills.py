"""The words that a masked language model finds most probable before and after an edit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onegrain.core.options import require_count
from onegrain.interventions.editing import editing
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.steered_text import ScoredText
from onegrain.models import LoadedModel
from onegrain.models.masked_words import MaskedText, PredictedSubwords, masked_text, predict_masked
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["MaskedFill", "fill_masks"]


@dataclass(frozen=True, eq=False)
class MaskedFill:
    """The words that a masked language model fills in at one place before and after an edit.

    Attributes:
        word: the number of the word in the text.
        hidden: the subword that the mask hides; None where the text itself has a mask.
        hidden_before, hidden_after: its log-probability in the untouched and the edited model, nats; NaN where
            the text itself has a mask.
        before: the most probable subwords of the untouched model, with their log-probabilities in both models.
        after: the most probable subwords of the edited model, with their log-probabilities in both models.
    """

    word: int
    hidden: str | None
    hidden_before: float
    hidden_after: float
    before: ScoredText
    after: ScoredText


def fill_masks(
    model: LoadedModel,
    interventions: Intervention | Sequence[Intervention],
    text: Corpus,
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    k: int = 5,
    most_words: int | None = None,
) -> tuple[MaskedFill, ...]:
    """Set neurons of a masked language model, and return what it fills in before and after.

    Places are the words ``[MASK]`` of the text or, if it has none, each of its words in turn. The subwords of a
    word are masked together; each has an entry in the result.

    Args:
        model: an encoder with the head of a masked language model.
        interventions: the edits.
        text: a corpus of one sentence.
        reference: activations of the model, or statistics, for the edits that need some.
        pairs: for ``interchange``, a corpus of one sentence.
        k: the number of subwords at each place.
        most_words: the largest number of words that are masked in turn; all by default.

    Raises:
        ParameterError: the model is not an encoder, its tokenizer has no mask, an edit lacks its reference, or
            an edit touched no value.
        ModelError: the checkpoint has no head that predicts masked subwords.
        MismatchError: the model does not have a site, or the reference is of another model.
        CorpusError: the text is longer than the model reads.
    """
    require_count("k", k)
    several = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    masked = masked_text(model, text, most_words=most_words)
    if not masked.rows:
        return ()
    hidden = np.array([[-1 if id is None else id] for id in masked.hidden], dtype=np.int64)
    before = predict_masked(model, masked, k=k)
    with editing(model, several, reference=reference, pairs=pairs):
        after = predict_masked(model, masked, k=k)
        edited = predict_masked(model, masked, ids=_wanted(before.ids, hidden))
    intact = predict_masked(model, masked, ids=_wanted(after.ids, hidden))
    return tuple(
        _fill(model, masked, place, (before, intact), (after, edited)) for place in range(len(masked.rows))
    )


def _wanted(ids: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return the ids of each place with the hidden one behind them; where none is hidden, the first again."""
    return np.concatenate([ids, np.where(hidden < 0, ids[:, :1], hidden)], axis=1)


def _fill(
    model: LoadedModel,
    masked: MaskedText,
    place: int,
    before: tuple[PredictedSubwords, PredictedSubwords],
    after: tuple[PredictedSubwords, PredictedSubwords],
) -> MaskedFill:
    """Return one place; ``before`` is the untouched model's choice, and its scores of the edited one's."""
    (chosen, intact), (rechosen, edited) = before, after
    hidden = masked.hidden[place]

    def shown(ids: np.ndarray) -> tuple[str, ...]:
        return tuple(_decoded(model, int(id)) for id in ids)

    return MaskedFill(
        word=masked.words[place],
        hidden=None if hidden is None else _decoded(model, hidden),
        hidden_before=math.nan if hidden is None else float(intact.log_probabilities[place, -1]),
        hidden_after=math.nan if hidden is None else float(edited.log_probabilities[place, -1]),
        before=ScoredText(
            shown(chosen.ids[place]), chosen.log_probabilities[place], edited.log_probabilities[place, :-1]
        ),
        after=ScoredText(
            shown(rechosen.ids[place]), intact.log_probabilities[place, :-1], rechosen.log_probabilities[place]
        ),
    )


def _decoded(model: LoadedModel, id: int) -> str:
    return str(model.tokenizer.decode([id], clean_up_tokenization_spaces=False)).strip()
