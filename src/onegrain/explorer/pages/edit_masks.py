"""The words that a masked language model fills in before and after an edit, at each masked place of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onegrain.errors import ModelError
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.subwords import Subword
from onegrain.records.corpus import Corpus

if TYPE_CHECKING:
    from onegrain.interventions import Intervention
    from onegrain.interventions.masked_fills import MaskedFill
    from onegrain.interventions.steered_text import ScoredText
    from onegrain.interventions.value_shift import ValueShift
    from onegrain.models import LoadedModel

__all__ = ["Candidate", "EncoderEdit", "MaskFill", "edited_encoder", "mask_figures", "mask_fills"]

SHOWN = 5
"""Words at each masked place."""
MOST_WORDS = 40
"""Words of a text that are masked in turn, the first of it."""


@dataclass(frozen=True, eq=False)
class EncoderEdit:
    """The effect of an edit on an encoder that reads one text.

    Attributes:
        words: the words of the text.
        shift: the change of its values.
        fills: the words that it fills in; none if it predicts none.
        left_out: number of words that were not masked.
        no_masks: why it fills in none; empty otherwise.
    """

    words: tuple[str, ...]
    shift: ValueShift
    fills: tuple[MaskedFill, ...]
    left_out: int
    no_masks: str


@dataclass(frozen=True)
class Candidate:
    """A word that a model fills in.

    Attributes:
        subword: the word, or the part of one, with its log-probabilities.
        rank: its place among the most probable ones, from 1.
        moved: True if the other model has another word at this place.
        is_new: True if it is not among the most probable words of the other model.
    """

    subword: Subword
    rank: int
    moved: bool
    is_new: bool


@dataclass(frozen=True)
class MaskFill:
    """A masked place of a text.

    Attributes:
        number: the number of the word, from 0.
        word: the word as the text has it.
        hidden: the subword that the mask hides, with its log-probabilities; None where the text has a mask.
        before, after: the most probable words before and after the edit.
        changed: True if the most probable words, or their order, changed.
    """

    number: int
    word: str
    hidden: Subword | None
    before: tuple[Candidate, ...]
    after: tuple[Candidate, ...]
    changed: bool


def edited_encoder(
    model: LoadedModel, interventions: Sequence[Intervention], text: Corpus, sources: Mapping[str, Any]
) -> EncoderEdit:
    """Return what an edit does to an encoder: to its values, and to the words that it fills in at masks.

    Args:
        model: an encoder.
        interventions: the edit.
        text: a corpus of one sentence.
        sources: ``reference`` and ``pairs`` of the edit.
    """
    from onegrain.interventions.masked_fills import fill_masks
    from onegrain.interventions.value_shift import value_shift
    from onegrain.models.masked_words import with_mask_words

    text = with_mask_words(model, text)
    shift = value_shift(model, interventions, text, **sources)
    try:
        model.head("masked language model")
        fills = fill_masks(model, interventions, text, **sources, k=SHOWN, most_words=MOST_WORDS)
    except ModelError as error:
        return EncoderEdit(text.words, shift, (), 0, str(error))
    asked = bool(fills) and fills[0].hidden is None
    return EncoderEdit(text.words, shift, fills, 0 if asked else max(0, text.n_words - MOST_WORDS), "")


def mask_fills(edit: EncoderEdit) -> tuple[MaskFill, ...]:
    """Return the masked places of a text as a page shows them."""
    return tuple(_place(edit.words, fill) for fill in edit.fills)


def mask_figures(masks: Sequence[MaskFill]) -> tuple[Figure, ...]:
    """Return the words at all masked places as one table; none without masks."""
    if not masks:
        return ()
    columns = (
        "number", "word", "subword", "model", "rank", "filled in", "log-probability before", "after", "change",
    )  # fmt: skip
    rows = [
        (
            *(mask.number, mask.word, "" if mask.hidden is None else mask.hidden.text, model, candidate.rank),
            *(candidate.subword.text, candidate.subword.before, candidate.subword.after),
            candidate.subword.change,
        )
        for mask in masks
        for model, candidates in (("before", mask.before), ("after", mask.after))
        for candidate in candidates
    ]
    caption = "Log-probability of each word at its masked place, in nats, in the untouched and edited model."
    return (Figure("masks", "The words that the model fills in", None, FigureTable.of(columns, rows), caption),)


def _place(words: tuple[str, ...], fill: MaskedFill) -> MaskFill:
    before, after = fill.before.subwords, fill.after.subwords
    return MaskFill(
        number=fill.word,
        word=words[fill.word],
        hidden=(
            None if fill.hidden is None else Subword.of(fill.hidden, fill.hidden_before, fill.hidden_after)
        ),
        before=_candidates(fill.before, after),
        after=_candidates(fill.after, before),
        changed=before != after,
    )


def _candidates(text: ScoredText, others: tuple[str, ...]) -> tuple[Candidate, ...]:
    scored = zip(text.subwords, text.before, text.after, others, strict=True)
    return tuple(
        Candidate(Subword.of(word, float(before), float(after)), rank, word != other, word not in others)
        for rank, (word, before, after, other) in enumerate(scored, 1)
    )
