"""Translation of a corpus with ``generate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from onegrain.core.corpus import Corpus
from onegrain.core.progress import Progress
from onegrain.models.batching import by_length

if TYPE_CHECKING:
    from onegrain.models.loaded import LoadedModel

__all__ = ["translate"]


@torch.no_grad()
def translate(
    loaded: LoadedModel,
    corpus: Corpus,
    beams: int,
    max_new_tokens: int,
    batch_size: int,
    progress: Progress,
) -> list[str]:
    """Translate every sentence, greedily (``beams`` 1) or by beam search.

    A sentence may become twice as long as the longest source of its batch plus ten subwords, and
    ``max_new_tokens`` at most: an erased model that never ends its sentence is cut there.
    """
    rows = [encoded.ids for encoded in loaded.encode(list(corpus.sentences()))]
    translations = [""] * len(rows)
    with progress("translate", len(rows), "sentences") as advance:
        for batch in by_length([len(row) for row in rows], batch_size):
            inputs = loaded.batch([rows[i] for i in batch])
            longest = min(max_new_tokens, 2 * inputs["input_ids"].shape[1] + 10)
            made = loaded.model.generate(**inputs, num_beams=beams, do_sample=False, max_new_tokens=longest)
            texts = loaded.tokenizer.batch_decode(
                made, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            for sentence, text in zip(batch, texts, strict=True):
                translations[int(sentence)] = text.strip()
            advance(len(batch))
    return translations
