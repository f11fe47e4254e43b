"""Words to subwords: what each word of a sentence is inside running text, and what surrounds a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import torch

from onegrain.errors import ModelError
from onegrain.models.batching import Encoded

__all__ = ["WordEncoder", "decoder_inputs"]

PROBES = ("a", "the", "1", "A", "我")
"""Words on which a tokenizer is tried; those that it does not know say nothing."""

MOST_KNOWN = 500_000
"""Word types that are kept encoded at once."""


class WordEncoder:
    """Encodes sentences of words with a tokenizer that was made for text.

    Every word gets the subwords that it has inside running text, behind a space, the first word of a sentence
    too, and none that belongs to another word. A word may have no subword: an empty one has none.

    Args:
        tokenizer: fast or slow.
        target: encode what a translation model's decoder writes, where the tokenizer tells that apart.
    """

    def __init__(self, tokenizer: Any, *, target: bool = False) -> None:
        self.tokenizer = tokenizer
        self.target = target
        self._known: dict[str, list[int]] = {}

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Encoded]:
        """The subwords of each sentence, special ones around them, with the word that each belongs to."""
        if not sentences:
            return []
        before, after = self.frame
        self._learn(word for words in sentences for word in words)
        return [self._framed(words, before, after) for words in sentences]

    @property
    def frame(self) -> tuple[list[int], list[int]]:
        """The special subwords that stand before and after a sentence, in the language that is set now."""
        for word in PROBES:
            (inner,), (whole,) = self._ids([word]), self._ids([word], special=True)
            for at in range(len(whole) - len(inner) + 1):
                if inner and whole[at : at + len(inner)] == inner:
                    return whole[:at], whole[at + len(inner) :]
        raise ModelError(
            f"the {type(self.tokenizer).__name__} does not keep the subwords of a word together when it puts "
            f"special ones around it; it was tried on {', '.join(PROBES)}"
        )

    @cached_property
    def spaced(self) -> bool:
        """Whether a word is what it is in running text only if a space is put before it."""
        known = [word for word in PROBES if self._knows(word)]
        for space in ("", " "):
            if all(self._ids([space + w])[0] * 2 == self._ids([f"{space}{w} {w}"])[0] for w in known):
                return bool(space)
        raise ModelError(
            f"the {type(self.tokenizer).__name__} encodes two words otherwise than one after the other, behind "
            "spaces or not, so words and subwords cannot be aligned; use a tokenizer that splits at spaces"
        )

    def _knows(self, word: str) -> bool:
        (ids,) = self._ids([word])
        return bool(ids) and self.tokenizer.unk_token_id not in ids

    def _learn(self, words: Iterable[str]) -> None:
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        new = [word for word in dict.fromkeys(words) if word not in self._known]
        if new:
            space = " " if self.spaced else ""
            encoded = self._ids([space + word if word else "" for word in new])
            self._known |= dict(zip(new, encoded, strict=True))

    def _framed(self, words: Sequence[str], before: list[int], after: list[int]) -> Encoded:
        ids, word_of = list(before), [-1] * len(before)
        for at, word in enumerate(words):
            own = self._known[word]
            ids += own
            word_of += [at] * len(own)
        return Encoded(ids + after, word_of + [-1] * len(after))

    def _ids(self, texts: list[str], *, special: bool = False) -> list[list[int]]:
        if self.target and getattr(self.tokenizer, "tgt_lang", "") is None:
            raise ModelError(
                f"the {type(self.tokenizer).__name__} does not know which language the model writes; "
                "put tgt_lang into tokenizer_config.json, or set tokenizer.tgt_lang"
            )
        side = {"text_target" if self.target else "text": texts}
        return self.tokenizer(
            **side,
            add_special_tokens=special,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]


def decoder_inputs(network: Any, labels: Encoded) -> Encoded:
    """What a decoder reads so that it writes the labels: shifted right as the model itself does.

    A word is read one step after it was to be written; what closes the labels is not read. If nothing does, the
    last word is read all the same.
    """
    ids, word_of = labels.ids, labels.word_of
    if not word_of or word_of[-1] != -1:
        ids, word_of = [*ids, 0], [*word_of, -1]
    shift = getattr(network, "prepare_decoder_input_ids_from_labels", None)
    try:
        if shift is not None:
            shown = shift(torch.tensor([ids]))[0].tolist()
        else:
            shown = [int(network.config.decoder_start_token_id), *ids[:-1]]
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the configuration of this {type(network).__name__} names no decoder_start_token_id"
        ) from error
    return Encoded(shown, [-1, *word_of[:-1]])
