"""The divergence of the edited model's predictions from those of the untouched model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from onegrain.models.likelihoods import one_row_each, reading
from onegrain.models.loaded import LoadedModel
from onegrain.models.losses import VALUES_AT_ONCE
from onegrain.models.passing import trial
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.scoring import IGNORED, scored_rows, subword_logits
from onegrain.records.corpus import Corpus

__all__ = ["COLUMNS", "divergence_rows", "exact_divergences"]

COLUMNS = ("kl", "subwords")
"""The statistics of a row: the sum of its divergences in nats, and the number of predicted subwords."""


def divergence_rows(loaded: LoadedModel, corpus: Corpus) -> RowStatistics:
    """Return one row per sentence, with the divergence of the edited model from the untouched one.

    Each batch is read twice: once as a trial that no edit reaches, and once with the edits in place. Nothing
    the size of the vocabulary is kept after the batch.

    Raises:
        ParameterError: the model does not predict from left to right, or translates and the corpus has no
            parallel side.
        CorpusError: a sentence is longer than the model reads.
    """
    loaded.require_loss()
    scored = scored_rows(loaded, corpus)

    def predict(numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        return subword_logits(loaded, [scored.rows[i] for i in numbers], [scored.labels[i] for i in numbers])

    def score(numbers: np.ndarray) -> np.ndarray:
        with trial():
            untouched, _ = predict(numbers)
        with reading(corpus, numbers, scored.words):
            edited, wanted = predict(numbers)
        counted = wanted != IGNORED
        divergences = exact_divergences(untouched, edited)
        sums = torch.where(counted.to(divergences.device), divergences, 0.0).sum(1)
        return np.stack([sums.cpu().numpy(), counted.sum(1).cpu().numpy()], axis=1)

    return one_row_each(loaded, scored, COLUMNS, score)


def exact_divergences(untouched: Tensor, edited: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence KL(untouched || edited) of predictions, in nats.

    Probabilities are computed in double precision, a few rows at a time.

    Args:
        untouched: logits (rows, time, classes).
        edited: logits of the same shape.

    Returns:
        float64 (rows, time), on the CPU for devices without double precision.
    """
    device = torch.device("cpu") if edited.device.type == "mps" else edited.device
    divergences = torch.zeros(edited.shape[:2], dtype=torch.float64, device=device)
    step = max(1, VALUES_AT_ONCE // max(1, edited[0].numel()))
    for start in range(0, len(edited), step):
        rows = slice(start, start + step)
        before = untouched[rows].to(divergences).log_softmax(-1)
        after = edited[rows].to(divergences).log_softmax(-1)
        parts = before.exp() * (before - after)
        divergences[rows] = torch.where(before.isneginf(), 0.0, parts).sum(-1)
    return divergences
