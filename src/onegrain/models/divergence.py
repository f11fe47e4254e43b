"""The divergence of the edited model's predictions from those of the untouched model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from onegrain.models.likelihoods import one_row_each, reading
from onegrain.models.loaded import LoadedModel
from onegrain.models.losses import IGNORED, precise_device
from onegrain.models.predicting import Predictions, predict, predicts_in_blocks
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.scoring import scored_rows
from onegrain.models.stacking import RowPass, run_rows
from onegrain.records.corpus import Corpus

__all__ = ["COLUMNS", "divergence_rows", "exact_divergences"]

COLUMNS = ("kl", "subwords")
"""The statistics of a row: the sum of its divergences in nats, and the number of predicted subwords."""

_Row = tuple[list[int], list[int], int]
"""What is read, what is predicted, and the place of the row in its batch."""


def divergence_rows(loaded: LoadedModel, corpus: Corpus) -> RowStatistics:
    """Return one row per sentence, with the divergence of the edited model from the untouched one.

    Each batch is read once as a trial that no edit reaches, and once for each variant with its edits in place.
    Nothing the size of the vocabulary is kept after the batch.

    Raises:
        ParameterError: the model does not predict from left to right, or translates and the corpus has no
            parallel side.
        CorpusError: a sentence is longer than the model reads.
    """
    loaded.require_loss()
    scored = scored_rows(loaded, corpus)

    def score(numbers: np.ndarray) -> np.ndarray:
        chosen = [(scored.rows[i], scored.labels[i], place) for place, i in enumerate(numbers)]
        with reading(corpus, numbers, scored.words):
            sums, counts = run_rows(_request(loaded, chosen))
        return np.stack([sums.cpu().numpy(), counts.cpu().numpy()], axis=1)

    return one_row_each(loaded, scored, COLUMNS, score)


def _request(loaded: LoadedModel, chosen: Sequence[_Row]) -> RowPass:
    """Return the pass over some rows; the results are the sum of divergences and the subwords of each row."""
    before: list[Predictions] = []

    def untouched() -> None:
        before.append(predict(loaded, [row for row, _, _ in chosen], [label for _, label, _ in chosen])[0])

    def compute(part: Sequence[_Row]) -> tuple[Tensor, Tensor]:
        after, wanted = predict(loaded, [row for row, _, _ in part], [label for _, label, _ in part])
        counted = wanted != IGNORED
        places = torch.tensor([place for _, _, place in part[: after.parts[0][1]]], device=wanted.device)
        return _divergences(before[0], after, counted, places).sum(1), counted.sum(1)

    subwords = max((max(len(row), len(label)) for row, label, _ in chosen), default=0)
    return RowPass(chosen, compute, subwords, untouched=untouched, in_blocks=predicts_in_blocks(loaded))


def _divergences(untouched: Predictions, edited: Predictions, counted: Tensor, rows: Tensor) -> Tensor:
    """Return the divergence at each counted position, float64 (rows, time); 0 elsewhere.

    Args:
        untouched: the predictions of the model itself.
        edited: those of one variant after the other, each with the same rows.
        counted: bool (rows of all variants, time).
        rows: int64, the row of ``untouched`` that each row of a variant is compared with.
    """
    divergences = torch.zeros(counted.shape, dtype=torch.float64, device=precise_device(counted))
    first, end = edited.parts[0]
    for places in edited.blocks(counted[first:end]):
        row, time = places.unbind(1)
        known = _log_probabilities(untouched.logits(0, torch.stack([rows[row], time], dim=1)))
        for part, (start, _) in enumerate(edited.parts):
            each = _divergence(known, _log_probabilities(edited.logits(part, places)))
            divergences[start + row.to(each.device), time.to(each.device)] = each
    return divergences


def exact_divergences(untouched: Tensor, edited: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence KL(untouched || edited) of predictions, in nats.

    Args:
        untouched: logits (..., classes).
        edited: logits of the same shape.

    Returns:
        float64 (...), computed in double precision, on the CPU for devices without it.
    """
    return _divergence(_log_probabilities(untouched), _log_probabilities(edited))


def _log_probabilities(logits: Tensor) -> Tensor:
    return logits.to(precise_device(logits), torch.float64).log_softmax(-1)


def _divergence(before: Tensor, after: Tensor) -> Tensor:
    parts = before.exp() * (before - after)
    return torch.where(before.isneginf(), 0.0, parts).sum(-1)
