"""Encode the words of a sentence as subwords, as in running text, with special subwords around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import torch

from onegrain.errors import ModelError
from onegrain.models.batching import Encoded
from onegrain.models.runs import Run, Span, assign, runs_of, spell
from onegrain.records.running_text import Form

__all__ = ["WordEncoder", "decoder_inputs"]

PROBES = ("a", "the", "1", "A", "我")
"""Words used to find out how a tokenizer treats spaces and special subwords; unknown ones are ignored."""

MOST_KNOWN = 500_000
"""The number of encoded runs of words after which the cache is cleared."""


class WordEncoder:
    """An encoder of sentences that are divided into words, for tokenizers that expect text.

    Every word, including the first of a sentence, gets the subwords that it has after a space in running text.
    Words without a space between them are encoded together, and a subword belongs to the word in which it
    begins; see :func:`onegrain.models.runs.assign`. A word may have no subwords, as an empty word does.

    Args:
        tokenizer: a fast or slow tokenizer of transformers.
        target: encode target text, which some tokenizers of translation models encode differently.
    """

    def __init__(self, tokenizer: Any, *, target: bool = False) -> None:
        self.tokenizer = tokenizer
        self.target = target
        self._known: dict[tuple[str, ...], Run] = {}

    def encode(
        self, sentences: Sequence[Sequence[str]], forms: Sequence[Sequence[Form]] | None = None
    ) -> list[Encoded]:
        """Return the subwords of each sentence, including special ones, with the word that each belongs to.

        Args:
            sentences: the words of each sentence.
            forms: the words as they appear in running text; without forms, a space follows each word.
        """
        if not sentences:
            return []
        before, after = self.frame
        runs: list[list[tuple[str, ...]]] = (
            [[(word,) for word in words] for words in sentences]
            if forms is None
            else [runs_of(sentence) for sentence in forms]
        )
        self._learn(run for sentence in runs for run in sentence)
        return [self._framed(sentence, before, after) for sentence in runs]

    @property
    def frame(self) -> tuple[list[int], list[int]]:
        """The special subwords before and after a sentence, in the tokenizer's current language."""
        for word in PROBES:
            (inner,), (framed,) = self._ids([word]), self._ids([word], special=True)
            for start in range(len(framed) - len(inner) + 1):
                if inner and framed[start : start + len(inner)] == inner:
                    return framed[:start], framed[start + len(inner) :]
        raise ModelError(
            f"the {type(self.tokenizer).__name__} does not keep the subwords of a word together when it puts "
            f"special ones around it; it was tried on {', '.join(PROBES)}"
        )

    @cached_property
    def spaced(self) -> bool:
        """True if a word needs a space before it to be encoded as in running text."""
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

    def _learn(self, runs: Iterable[tuple[str, ...]]) -> None:
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        new = [run for run in dict.fromkeys(runs) if run not in self._known]
        if not new:
            return
        single = [run for run in new if len(run) == 1]
        encoded = self._ids([self._text(run) for run in single]) if single else []
        self._known |= {run: Run(ids, [0] * len(ids)) for run, ids in zip(single, encoded, strict=True)}
        several = [run for run in new if len(run) > 1]
        located = self._located([self._text(run) for run in several]) if several else []
        for run, (ids, spans) in zip(several, located, strict=True):
            self._known[run] = self._together(run, ids, spans)

    def _text(self, run: tuple[str, ...]) -> str:
        text = "".join(run)
        return " " + text if text and self.spaced else text

    def _together(self, run: tuple[str, ...], ids: list[int], spans: list[Span] | None) -> Run:
        """Assign the subwords of a run of words, which have no spaces between them, to its words."""
        if spans is None:
            return self._apart(run)
        if not any(run):
            return Run([], [])
        lead = len(self._text(run)) - sum(map(len, run))
        return assign(run, ids, [(max(0, start - lead), max(0, stop - lead)) for start, stop in spans])

    def _apart(self, run: tuple[str, ...]) -> Run:
        """Encode each word of a run separately, for runs whose subwords cannot be aligned with their words."""
        self._learn((text,) for text in run)
        each = [self._known[text,].ids for text in run]
        word_of = [word for word, ids in enumerate(each) for _ in ids]
        return Run([subword for ids in each for subword in ids], word_of)

    def _located(self, texts: list[str]) -> list[tuple[list[int], list[Span] | None]]:
        """Return the subwords of each text with their character spans, or None if the spans are unknown."""
        if self.tokenizer.is_fast:
            encoding = self._tokenized(texts, return_offsets_mapping=True)
            return list(zip(encoding["input_ids"], encoding["offset_mapping"], strict=True))
        unknown = self.tokenizer.unk_token
        encoded = self._ids(texts)
        pieces = [self.tokenizer.convert_ids_to_tokens(ids) for ids in encoded]
        return [
            (ids, spell(text, [None if piece == unknown else piece for piece in row]))
            for text, ids, row in zip(texts, encoded, pieces, strict=True)
        ]

    def _framed(self, runs: Sequence[tuple[str, ...]], before: list[int], after: list[int]) -> Encoded:
        ids, word_of = list(before), [-1] * len(before)
        shares, first = {}, 0
        for run in runs:
            known = self._known[run]
            ids += known.ids
            word_of += [first + word for word in known.word_of]
            for word, (owner, last) in known.shares.items():
                shares[first + word] = (first + owner, last)
            first += len(run)
        return Encoded(ids + after, word_of + [-1] * len(after), shares)

    def _ids(self, texts: list[str], *, special: bool = False) -> list[list[int]]:
        ids: list[list[int]] = self._tokenized(texts, add_special_tokens=special)["input_ids"]
        return ids

    def _tokenized(self, texts: list[str], *, add_special_tokens: bool = False, **options: Any) -> Any:
        if self.target and getattr(self.tokenizer, "tgt_lang", "") is None:
            raise ModelError(
                f"the {type(self.tokenizer).__name__} does not know which language the model writes; "
                "put tgt_lang into tokenizer_config.json, or set tokenizer.tgt_lang"
            )
        side = {"text_target" if self.target else "text": texts}
        return self.tokenizer(
            **side,
            add_special_tokens=add_special_tokens,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
            **options,
        )


def decoder_inputs(network: Any, labels: Encoded) -> Encoded:
    """Return the decoder inputs for a target sentence: its labels, shifted right as the model shifts them.

    The decoder reads each word one step after predicting it, and never reads the closing special subword. If
    the labels have no closing subword, the last word is still read.

    Raises:
        ModelError: the configuration has no ``decoder_start_token_id``.
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
    return Encoded(shown, [-1, *word_of[:-1]], labels.shares)
