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

    A sentence may become twice as long as its source plus ten subwords, and ``max_new_tokens`` at most: an
    erased model that never ends its sentence is cut there. The sentences beside it in its batch have no say.
    """
    rows = [encoded.ids for encoded in loaded.encode(list(corpus.sentences()), corpus.forms())]
    start = _start(loaded)
    translations = [""] * len(rows)
    with progress("translate", len(rows), "sentences") as advance:
        for batch in by_length([len(row) for row in rows], batch_size):
            inputs = loaded.batch([rows[i] for i in batch])
            limits = [min(max_new_tokens, 2 * len(rows[i]) + 10) for i in batch]
            made = loaded.model.generate(
                **inputs,
                decoder_input_ids=torch.tensor([start] * len(batch), device=loaded.device),
                decoder_start_token_id=start[0],
                num_beams=beams,
                do_sample=False,
                max_new_tokens=max(limits) + 1,  # the last is not kept: BART and its like force an end there
            )
            kept = [ids[: len(start) + limit] for ids, limit in zip(made.tolist(), limits, strict=True)]
            texts = loaded.tokenizer.batch_decode(
                kept, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            for sentence, text in zip(batch, texts, strict=True):
                translations[int(sentence)] = text.strip()
            advance(len(batch))
    return translations


def _start(loaded: LoadedModel) -> list[int]:
    """The special subwords that the decoder reads before the first word: its start, and a language if any.

    What ``generate`` returns starts with them.
    """
    (shown,), (word,) = loaded.encode_target([["a"]]), loaded.encode_labels([["a"]])
    return shown.ids[: 1 + word.word_of.index(0)]
