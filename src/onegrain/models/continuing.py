"""Continuation of prompts by a language model with ``generate``."""

from __future__ import annotations

import torch
from transformers import GenerationConfig

from onegrain.core.progress import Progress
from onegrain.errors import CorpusError
from onegrain.models.batching import by_length
from onegrain.models.passing import Rows, reading_rows
from onegrain.models.running import RunningModel
from onegrain.models.translating import asking_criteria, generating_by, generation_settings
from onegrain.records.corpus import Corpus

__all__ = ["continue_prompts", "prompt_rows"]


@torch.no_grad()
def continue_prompts(
    loaded: RunningModel,
    corpus: Corpus,
    beams: int,
    max_new_tokens: int,
    batch_size: int,
    progress: Progress,
) -> list[str]:
    """Return what a language model writes after each sentence, greedily (``beams`` 1) or by beam search.

    The words of a prompt are encoded as for perplexity, with the same start token, but without the special
    subwords that end a sentence. Only prompts of equal length share a batch, so that no row is padded and a
    continuation does not depend on the other prompts. Of the folder's generation settings only the token ids
    are used; see :func:`onegrain.models.translating.generation_settings`.

    Raises:
        CorpusError: a prompt has no words, or is as long as the longest row that the model reads.
    """
    rows, words = prompt_rows(loaded, corpus)
    lengths = [len(row) for row in rows]
    longest, search = loaded.longest_on("source"), generation_settings(loaded, beams)
    continuations = [""] * len(rows)
    with progress("continue", len(rows), "prompts") as advance:
        for batch in by_length(lengths, batch_size, alike=lengths):
            length = lengths[batch[0]]
            most = max_new_tokens if longest is None else min(max_new_tokens, longest - length)
            settings = GenerationConfig(**search, max_new_tokens=most)
            reading = Rows(corpus, batch, {"source": [words[i] for i in batch]})
            with reading_rows(reading), generating_by(loaded.model, settings):
                generated = type(loaded.model).generate(
                    loaded.model,
                    **loaded.batch([rows[i] for i in batch]),
                    generation_config=settings,
                    stopping_criteria=asking_criteria(),
                )
            texts = loaded.tokenizer.batch_decode(
                generated[:, length:], skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            for sentence, text in zip(batch, texts, strict=True):
                continuations[int(sentence)] = text.strip()
            advance(len(batch))
    return continuations


def prompt_rows(loaded: RunningModel, corpus: Corpus) -> tuple[list[list[int]], list[list[int]]]:
    """Return the ids of each prompt, and the word of each of its subwords, -1 for a special one."""
    start = [] if loaded.bos_id is None else [loaded.bos_id]
    longest = loaded.longest_on("source")
    rows, words = [], []
    for number, encoded in enumerate(loaded.encode(list(corpus.sentences()), corpus.forms())):
        end = 1 + max((index for index, word in enumerate(encoded.word_of) if word >= 0), default=-1)
        if not end:
            raise CorpusError(f"sentence {number} (counted from 0) has no words to continue", corpus.source)
        row = start + encoded.ids[:end]
        if longest is not None and len(row) >= longest:
            raise CorpusError(
                f"sentence {number} (counted from 0) has {len(row)} subwords, and {loaded.identity.id} reads "
                f"at most {longest}, so nothing can follow; give a shorter prompt",
                corpus.source,
            )
        rows.append(row)
        words.append([-1] * len(start) + encoded.word_of[:end])
    return rows, words
