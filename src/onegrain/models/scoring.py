"""How well a model predicts sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from onegrain.core.corpus import Corpus
from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.models.batching import by_length, pad_batch

if TYPE_CHECKING:
    from onegrain.models.loaded import LoadedModel

__all__ = ["sentence_losses"]

IGNORED = -100


@torch.no_grad()
def sentence_losses(
    loaded: LoadedModel, corpus: Corpus, batch_size: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Negative log-likelihood (nats, float64) and number of predicted tokens (int64) of every sentence.

    A language model predicts every subword after the first; where its tokenizer puts no start token, one is
    put if the tokenizer has it. A translation model predicts the target sentence and its end.
    """
    rows, targets = _rows(loaded, corpus)
    nll = np.zeros(len(rows), dtype=np.float64)
    tokens = np.zeros(len(rows), dtype=np.int64)
    lengths = [len(row) + len(target) for row, target in zip(rows, targets, strict=True)]
    with progress("score", len(rows), "sentences") as advance:
        for batch in by_length(lengths, batch_size):
            inputs = loaded.batch([rows[i] for i in batch])
            if loaded.task == "translation":
                labels, mask = pad_batch([targets[i] for i in batch], loaded.pad_id, loaded.device)
                labels = labels.masked_fill(mask == 0, IGNORED)
                logits = loaded.model(**inputs, labels=labels).logits
            else:
                labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, IGNORED)[:, 1:]
                logits = loaded.model(**inputs).logits[:, :-1]
            each = F.cross_entropy(logits.float().transpose(1, 2), labels, reduction="none")
            nll[batch] = each.double().sum(1).cpu().numpy()
            tokens[batch] = (labels != IGNORED).sum(1).cpu().numpy()
            advance(len(batch))
    return nll, tokens


def _rows(loaded: LoadedModel, corpus: Corpus) -> tuple[list[list[int]], list[list[int]]]:
    rows = [encoded.ids for encoded in loaded.encode(list(corpus.sentences()))]
    if loaded.task == "translation":
        if corpus.target is None:
            raise ParameterError(f"{corpus.source} has no parallel side; read it with read_parallel")
        return rows, [encoded.ids for encoded in loaded.encode_labels(list(corpus.target.sentences()))]
    start = [] if loaded.bos_id is None else [loaded.bos_id]
    return [start + row for row in rows], [[] for _ in rows]
