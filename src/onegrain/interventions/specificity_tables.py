"""The tables of a specificity, with intervals, from the losses of words by label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from onegrain.core.bootstrap import adjusted_p_values, draw_p_values, quantile_interval
from onegrain.errors import LabelError, ModelError
from onegrain.interventions.paired_draws import PairedRises
from onegrain.records.specificity import CELLS, CONTRASTS

__all__ = ["LEVEL", "LabelRises"]

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class LabelRises:
    """The rise of the loss on the words of each label, with the neurons of each label edited.

    Attributes:
        labels: the labels.
        intact: float64 (labels,), the loss per word of the intact model.
        words: float64 (labels,), the number of predicted words.
        rises: the rises; cells run over the edited labels and, within each, over the labels of the words.
    """

    labels: tuple[str, ...]
    intact: np.ndarray
    words: np.ndarray
    rises: PairedRises

    @classmethod
    def of(cls, statistics: np.ndarray, labels: tuple[str, ...], random_orders: int) -> LabelRises:
        """Return the rises of measurements by :class:`LabelLosses`.

        Args:
            statistics: float64 (measurements, sentences, 2 labels): of the intact model, of each label's
                neurons, and of each label's random sets.
            labels: the labels.
            random_orders: the number of random sets of each label.

        Raises:
            ModelError: a loss is not finite.
            LabelError: no word of a label is predicted.
        """
        count = len(labels)
        losses, words = statistics[..., :count], statistics[0, :, count:]
        if not np.isfinite(losses).all():
            raise ModelError(
                "the loss of a word is not finite, so its rise is not known; edit fewer neurons, or by mean"
            )
        for label, predicted in zip(labels, words.sum(axis=0), strict=True):
            if not predicted:
                raise LabelError(f"no word with label {label!r} is predicted; leave it out of the labels")
        sentences = len(words)
        chosen = losses[1 : count + 1] - losses[0]
        random = (losses[count + 1 :] - losses[0]).reshape(count, random_orders, sentences, count)
        return cls(
            labels,
            losses[0].sum(axis=0) / words.sum(axis=0),
            words.sum(axis=0),
            PairedRises(
                chosen.transpose(1, 0, 2).reshape(sentences, -1),
                random.transpose(1, 2, 0, 3).reshape(random_orders, sentences, -1),
                np.tile(words, (1, count)),
            ),
        )

    def tables(self, resamples: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
        """Return the cells, the contrasts of labels, and the mean contrast; see :class:`Specificity`."""
        count = len(self.labels)
        damage, random = self.rises.means()
        damage_draws, random_draws = self.rises.draws(resamples, seed)
        excess_draws = damage_draws - random_draws
        excess = damage - random.mean(axis=0)
        p = draw_p_values(excess_draws)
        edited, predicted = np.divmod(np.arange(count * count), count)
        names = np.array(self.labels, dtype=object)
        numbers = {
            "words": self.words[predicted].astype(np.int64),
            "intact": self.intact[predicted],
            "damage": damage,
            **_bounds("damage_", damage_draws),
            "random": random.mean(axis=0),
            "random_low": random.min(axis=0),
            "random_high": random.max(axis=0),
            "excess": excess,
            **_bounds("excess_", excess_draws),
            "p": p,
            "q": adjusted_p_values(p),
        }
        cells = pd.DataFrame({"edited": names[edited], "predicted": names[predicted], **numbers})[CELLS]
        square = excess.reshape(count, count)
        return cells, *self._contrasts(square, excess_draws.reshape(-1, count, count))

    def _contrasts(self, excess: np.ndarray, draws: np.ndarray) -> tuple[pd.DataFrame, dict[str, float]]:
        """Return the contrasts of the excess (labels, labels), and their mean, with intervals."""
        same, other = _same_and_other(excess[None])
        same_draws, other_draws = _same_and_other(draws)
        contrast_draws = same_draws - other_draws
        contrast = (same - other)[0]
        p = draw_p_values(contrast_draws)
        table = pd.DataFrame(
            {
                "label": np.array(self.labels, dtype=object),
                "same": same[0],
                "other": other[0],
                "contrast": contrast,
                **_bounds("", contrast_draws),
                "p": p,
                "q": adjusted_p_values(p),
            }
        )[CONTRASTS]
        mean_draws = _known_mean(contrast_draws)[:, None]
        low, high = quantile_interval(mean_draws, LEVEL)
        overall = {
            "contrast": float(contrast.mean()),
            "low": float(low[0]),
            "high": float(high[0]),
            "p": float(draw_p_values(mean_draws)[0]),
        }
        return table, overall


def _same_and_other(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the diagonal of each matrix (draws, labels, labels), and the mean of each row off the diagonal."""
    same = np.diagonal(matrices, axis1=1, axis2=2)
    off = np.where(np.eye(matrices.shape[1], dtype=bool), np.nan, matrices)
    return same, _known_mean(off)


def _known_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis without NaN; NaN where all are."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    sums = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _bounds(prefix: str, draws: np.ndarray) -> dict[str, np.ndarray]:
    low, high = quantile_interval(draws, LEVEL)
    return {f"{prefix}low": low, f"{prefix}high": high}
