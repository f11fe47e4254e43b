"""What the two LSTM models share: configuration, sites, recurrent state and direction handling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel

from onegrain.errors import ParameterError

__all__ = [
    "RecurrentConfig",
    "RecurrentModel",
    "RecurrentState",
    "Site",
    "gather_time",
    "reversal",
    "to_right_padding",
]


class RecurrentConfig(PretrainedConfig):
    """Configuration that both LSTM models take.

    Args:
        vocab_size: subwords in the vocabulary.
        embedding_size: width of the subword embeddings; ``hidden_size`` if None.
        hidden_size: units of every layer's output; a bidirectional layer splits them evenly among its two
            directions, as OpenNMT does. The paper's size is 500.
        num_hidden_layers: layers (of the encoder and of the decoder each, in the translation model).
        dropout: probability, on the input of every layer and of the output projection.
        label_smoothing: share of the target probability that is spread over the vocabulary in training.
        initializer_range: standard deviation of the initial weights; ``2 / sqrt(hidden_size)`` if None.
        tie_word_embeddings: output projection and (target) embeddings share weights; needs equal widths.
    """

    vocab_size: int = 8000
    embedding_size: int | None = None
    hidden_size: int = 500
    num_hidden_layers: int = 2
    dropout: float = 0.2
    label_smoothing: float = 0.0
    initializer_range: float | None = None
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    tie_word_embeddings: bool = True

    @property
    def embedding_width(self) -> int:
        """Width of the subword embeddings."""
        return self.hidden_size if self.embedding_size is None else self.embedding_size

    def __post_init__(self, **kwargs: Any) -> None:
        """Check that the sizes fit together."""
        if self.initializer_range is None:
            self.initializer_range = 2.0 / self.hidden_size**0.5
        if self.tie_word_embeddings and self.embedding_width != self.hidden_size:
            raise ParameterError(
                f"embedding_size {self.embedding_size} differs from hidden_size {self.hidden_size}; "
                "set tie_word_embeddings=False"
            )
        super().__post_init__(**kwargs)


class RecurrentModel(PreTrainedModel, GenerationMixin):
    """What ``generate`` has to know of both LSTM models: their state, and the projection ``lm_head``."""

    base_model_prefix = ""
    _is_stateful = True
    lm_head: nn.Linear

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def get_output_embeddings(self) -> nn.Linear:
        """The output projection."""
        return self.lm_head


class Site(nn.Identity):
    """A named point of the computation, (batch, time, width) or (batch, width) in a single step.

    What passes here is what every reader downstream sees, so an edit made here is the edit that the model
    runs on. The state that a recurrent layer hands to its own next step does not pass here.
    """


@dataclass
class RecurrentState:
    """What a recurrent model carries from one generated subword to the next.

    Attributes:
        tensors: (batch, ...) each, in an order that the model defines.
        steps: subwords seen so far.
    """

    tensors: list[Tensor]
    steps: int = 0
    is_compileable: bool = False

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Subwords seen so far (the name that ``generate`` asks for)."""
        return self.steps

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Follow the beams that survived."""
        self.tensors = [tensor.index_select(0, beam_idx.to(tensor.device)) for tensor in self.tensors]


def gather_time(x: Float[Tensor, "batch time width"], index: Int[Tensor, "batch time"]) -> Tensor:
    """Reorder each sequence along time by its own index."""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def reversal(mask: Bool[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """The time index that reverses each right-padded sequence within its length; its own inverse."""
    time = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    last = mask.sum(1, keepdim=True) - 1
    return torch.where(mask, last - time, time)


def to_right_padding(mask: Bool[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """The time index that moves padding, wherever it is, to the right; words keep their order."""
    return torch.argsort((~mask).to(torch.int8), dim=1, stable=True)
