"""The subwords that a masked language model finds most probable at masked places of one text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64

from onegrain.errors import ParameterError
from onegrain.models.likelihoods import reading
from onegrain.models.loaded import LoadedModel
from onegrain.records.corpus import Corpus

__all__ = ["MASK", "MaskedText", "PredictedSubwords", "masked_text", "predict_masked", "with_mask_words"]

MASK = "[MASK]"
"""A word that stands for the mask of every tokenizer, in upper or lower case."""
ROWS_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class MaskedText:
    """A text that is read once for each of its masked places.

    Attributes:
        text: a corpus of one sentence, in which the mask words are the tokenizer's.
        asked: True if the text has mask words; False if each of its words is masked in turn.
        rows: for each place, the subword ids with the masks.
        places: for each place, the subword of its row that is predicted.
        words: for each place, the number of its word in the text.
        hidden: for each place, the subword id that the mask hides; None at a mask word.
        word_of: the word of each subword of the text, -1 for a special one.
    """

    text: Corpus
    asked: bool
    rows: list[list[int]]
    places: list[int]
    words: list[int]
    hidden: list[int | None]
    word_of: list[int]


@dataclass(frozen=True, eq=False)
class PredictedSubwords:
    """Subwords at the masked places of a text, with their probabilities.

    Attributes:
        ids: int64 (places, subwords).
        log_probabilities: float64 (places, subwords), in nats.
    """

    ids: Int64[np.ndarray, "places subwords"]
    log_probabilities: Float64[np.ndarray, "places subwords"]


def masked_text(loaded: LoadedModel, text: Corpus, *, most_words: int | None = None) -> MaskedText:
    """Return the masked places of a text: its mask words or, if it has none, each word in turn.

    The subwords of a word are masked together, so that none gives away the others, and each is predicted.
    Where the text has mask words, all of them are masked at once.

    Args:
        loaded: an encoder with a masked language model's head.
        text: a corpus of one sentence.
        most_words: the largest number of words that are masked in turn, the first of the text; all by default.

    Raises:
        ParameterError: there is not one sentence, the model is not an encoder, or its tokenizer has no mask.
        ModelError: the checkpoint has no head that predicts masked subwords.
        CorpusError: the text is longer than the model reads.
    """
    if text.n_sentences != 1:
        raise ParameterError(f"one text is masked at a time, got {text.n_sentences}")
    loaded.head("masked language model")  # refused before anything is encoded
    mask, token = loaded.tokenizer.mask_token_id, loaded.tokenizer.mask_token
    if mask is None:
        raise ParameterError(f"the tokenizer of {loaded.identity.id} has no mask token to predict subwords at")
    text = with_mask_words(loaded, text)
    asked = [number for number, word in enumerate(text.words) if word == token]
    (encoded,) = loaded.encode(list(text.sentences()), text.forms())
    loaded.require_fitting(text, [encoded.ids])
    ids, word_of = encoded.ids, encoded.word_of
    if asked:
        places = [place for place, id in enumerate(ids) if id == mask and word_of[place] in asked]
        words = [word_of[place] for place in places]
        return MaskedText(text, True, [ids] * len(places), places, words, [None] * len(places), word_of)
    masked = MaskedText(text, False, [], [], [], [], word_of)
    for word in range(text.n_words if most_words is None else min(most_words, text.n_words)):
        row = [mask if owner == word else id for id, owner in zip(ids, word_of, strict=True)]
        for place in (place for place, owner in enumerate(word_of) if owner == word):
            masked.rows.append(row)
            masked.places.append(place)
            masked.words.append(word)
            masked.hidden.append(ids[place])
    return masked


def with_mask_words(loaded: LoadedModel, text: Corpus) -> Corpus:
    """Return a text whose words ``[MASK]`` are those of the model's tokenizer, if it has a mask."""
    token = loaded.tokenizer.mask_token
    names = (MASK, str(token).upper())
    if token is None or not any(word.upper() in names for word in text.words):
        return text
    words = tuple(str(token) if word.upper() in names else word for word in text.words)
    return replace(text, words=words, running=None)


@torch.no_grad()
def predict_masked(
    loaded: LoadedModel, masked: MaskedText, *, k: int = 5, ids: np.ndarray | None = None
) -> PredictedSubwords:
    """Return the most probable subwords at the masked places, the most probable first; or those of some ids.

    Args:
        loaded: the model of :func:`masked_text`.
        masked: the text and its places.
        k: the number of subwords at each place; fewer if the vocabulary is smaller.
        ids: int64 (places, subwords), the subwords that are wanted in place of the model's choice.
    """
    head = loaded.head("masked language model")
    chosen: list[Any] = []
    scores: list[Any] = []
    for first in range(0, len(masked.rows), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        rows = masked.rows[part]
        with reading(masked.text, np.zeros(len(rows), dtype=np.int64), {"source": [masked.word_of]}):
            logits = head.logits_at(rows, masked.places[part])
        probabilities = logits.double().log_softmax(-1).cpu()
        wanted = (
            probabilities.topk(min(k, probabilities.shape[-1])).indices
            if ids is None
            else torch.from_numpy(ids[part])
        )
        chosen.append(wanted.numpy())
        scores.append(probabilities.gather(1, wanted).numpy())
    return PredictedSubwords(np.concatenate(chosen), np.concatenate(scores))
