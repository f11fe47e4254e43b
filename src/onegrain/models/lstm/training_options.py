"""The options of training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from onegrain.errors import ParameterError

__all__ = ["TrainingOptions"]

COUNTS = ("hidden_size", "layers", "vocab_size", "epochs", "patience", "batch_size", "max_length", "seed")


@dataclass(frozen=True)
class TrainingOptions:
    """The options of training an LSTM model.

    Attributes:
        hidden_size: units of each layer.
        layers: number of LSTM layers; in a translation model, of the encoder and of the decoder each.
        vocab_size: number of subwords; source and target share one vocabulary.
        epochs: largest number of passes over the training part.
        patience: number of passes without a better validation loss after which training stops.
        batch_size: sentences per step; sentences of similar length are put together.
        learning_rate: peak learning rate of Adam; it rises over the first 5 % of the steps, then falls linearly
            to zero.
        dropout: dropout probability.
        label_smoothing: part of the target probability that is spread over the vocabulary.
        initializer_range: standard deviation of the initial weights; ``2 / sqrt(hidden_size)`` if None.
        max_length: sentences with more subwords are left out, and their number is recorded.
        precision: ``float32``, or ``bfloat16`` for the matrix products (weights stay float32).
        seed: random seed of initial weights, order of sentences and dropout.
    """

    hidden_size: int = 500
    layers: int = 2
    vocab_size: int = 8000
    epochs: int = 10
    patience: int = 3
    batch_size: int = 64
    learning_rate: float = 2e-3
    dropout: float = 0.2
    label_smoothing: float = 0.0
    initializer_range: float | None = None
    max_length: int = 128
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise ParameterError(f"{name} must be a whole number, got {value!r}")
            if value < 1 and name != "seed":
                raise ParameterError(f"{name} must be at least 1, got {value}")
        for name in ("learning_rate", "dropout", "label_smoothing", "initializer_range"):
            value = getattr(self, name)
            if value is None and name == "initializer_range":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ParameterError(f"{name} must be a number, got {value!r}")
            if value < 0 or (name in ("dropout", "label_smoothing") and value >= 1):
                raise ParameterError(f"{name} is out of range: got {value}")
        if self.precision not in ("float32", "bfloat16"):
            raise ParameterError(f"precision must be float32 or bfloat16, got {self.precision!r}")
