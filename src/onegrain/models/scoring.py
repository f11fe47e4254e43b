"""How well a model predicts sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.models.batching import by_length, pad_batch
from onegrain.models.losses import IGNORED, exact_losses
from onegrain.models.padding import losses_need_equal_rows
from onegrain.models.running import RunningModel
from onegrain.records.corpus import Corpus

__all__ = ["IGNORED", "sentence_losses", "subword_losses"]


@torch.no_grad()
def sentence_losses(
    loaded: RunningModel, corpus: Corpus, batch_size: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Negative log-likelihood (nats, float64) and number of predicted tokens (int64) of every sentence.

    A language model predicts every subword after the first; where its tokenizer puts no start token, one is
    put if the tokenizer has it. A translation model predicts the target sentence and its end.

    Raises:
        CorpusError: a sentence is longer than the model reads.
    """
    rows, labels = _rows(loaded, corpus)
    nll = np.zeros(len(rows), dtype=np.float64)
    tokens = np.zeros(len(rows), dtype=np.int64)
    translates = loaded.task == "translation"
    sizes = [(len(row), len(label) if translates else 0) for row, label in zip(rows, labels, strict=True)]
    alike = sizes if losses_need_equal_rows(loaded) else None
    with progress("score", len(rows), "sentences") as advance:
        for batch in by_length([sum(size) for size in sizes], batch_size, alike=alike):
            each, predicted = subword_losses(loaded, [rows[i] for i in batch], [labels[i] for i in batch])
            nll[batch] = each.sum(1).cpu().numpy()
            tokens[batch] = predicted.sum(1).cpu().numpy()
            advance(len(batch))
    return nll, tokens


def subword_losses(
    loaded: RunningModel, rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood (nats; batch, time) of each predicted subword, 0 elsewhere, and which those are.

    It is float64, whatever the model computes in, and can be differentiated where gradients are on.

    Args:
        loaded: a language model or a translation model.
        rows: ids that the language model reads, or the encoder.
        labels: ids that the translation model is to write. For a language model the row again, ``IGNORED``
            in place of what is not to be predicted; its first subword never is.
    """
    wanted, mask = pad_batch(labels, loaded.pad_id, loaded.device)
    wanted = wanted.masked_fill(mask == 0, IGNORED)
    if loaded.task == "translation":
        logits = loaded.model(**loaded.batch(rows), labels=wanted).logits
    else:
        wanted = wanted[:, 1:]
        logits = loaded.model(**loaded.batch(rows)).logits[:, :-1]
    return exact_losses(logits, wanted), wanted != IGNORED


def _rows(loaded: RunningModel, corpus: Corpus) -> tuple[list[list[int]], list[list[int]]]:
    """What is read and what is predicted, as :func:`subword_losses` takes them."""
    rows = [encoded.ids for encoded in loaded.encode(list(corpus.sentences()), corpus.forms())]
    if loaded.task == "translation":
        if corpus.target is None:
            raise ParameterError(f"{corpus.source} has no parallel side; read it with read_parallel")
        encoded = loaded.encode_labels(list(corpus.target.sentences()), corpus.target.forms())
        labels = [row.ids for row in encoded]
        loaded.require_fitting(corpus, rows)
        loaded.require_fitting(corpus.target, labels, "target")
        return rows, labels
    start = [] if loaded.bos_id is None else [loaded.bos_id]
    rows = [start + row for row in rows]
    loaded.require_fitting(corpus, rows)
    return rows, rows
