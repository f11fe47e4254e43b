"""The common parts of the two LSTM models: configuration, sites, recurrent state and directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel

from onegrain.errors import ParameterError
from onegrain.models.projections import project_parts
from onegrain.models.stack import Stack, current_stack

__all__ = [
    "RecurrentConfig",
    "RecurrentModel",
    "RecurrentState",
    "Site",
    "gather_time",
    "reversal",
    "run_lstm",
    "to_right_padding",
]


LEAST_WIDTH = 64
"""Fewest units of a layer that leaves out the inputs in which variants do not differ; others gain nothing."""


class RecurrentConfig(PretrainedConfig):
    """The configuration of both LSTM models.

    Args:
        vocab_size: number of subwords in the vocabulary.
        embedding_size: width of the subword embeddings; ``hidden_size`` if None.
        hidden_size: units of every layer's output; the two directions of a bidirectional layer have half of
            them each, as in OpenNMT. The paper's size is 500.
        num_hidden_layers: number of layers; in the translation model, of the encoder and of the decoder each.
        dropout: dropout probability on the input of every layer and of the output projection.
        label_smoothing: part of the target probability that is spread over the vocabulary in training.
        initializer_range: standard deviation of the initial weights; ``2 / sqrt(hidden_size)`` if None.
        tie_word_embeddings: True if the output projection and the (target) embeddings share weights, which
            needs equal widths.
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
    """The base of both LSTM models: tells ``generate`` about their state and the projection ``lm_head``."""

    base_model_prefix = ""
    _is_stateful = True
    lm_head: nn.Linear

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def get_output_embeddings(self) -> nn.Linear:
        """Return the output projection."""
        return self.lm_head


class Site(nn.Identity):
    """A named point of the computation, (batch, time, width) or (batch, width) in a single step.

    All later modules read the value that passes here, so an edit of it changes the rest of the computation. The
    state that a recurrent layer passes to its own next step passes another site, ``state``, and this one after
    it.
    """


def run_lstm(
    lstm: nn.LSTM,
    x: Float[Tensor, "batch time width"],
    site: Site,
    state: tuple[Tensor, Tensor] | None = None,
    lengths: Int[Tensor, " batch"] | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run an LSTM layer of one direction; return its output (batch, time, width) and its last state.

    If something edits ``site``, the layer runs step by step, and the output of each step passes the site before
    the next step reads it. Otherwise all steps run at once.

    Args:
        lstm: the layer, with the batch first.
        x: what the layer reads.
        site: where the state passes.
        state: h and c before the first step, each (1, batch, width); zeros if None.
        lengths: the state to return is that after this many steps of each row; after all if None.
    """
    if site._forward_hooks:
        return _run_steps(lstm, x, site, state, lengths)
    stack = current_stack()
    if stack is not None and lengths is None and _is_stacked(lstm, x, stack):
        return _run_stacked(lstm, x, state, stack)
    if lengths is None:
        output, last = lstm(x, state)
        return output, last
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    packed_output, last = lstm(packed, state)
    output, _ = pad_packed_sequence(packed_output, batch_first=True, total_length=x.shape[1])
    return output, last


def _is_stacked(lstm: nn.LSTM, x: Tensor, stack: Stack) -> bool:
    """Return True if a layer reads several steps of the rows of several variants, and nothing replaces it."""
    if lstm.hidden_size < LEAST_WIDTH or "forward" in vars(lstm) or lstm._forward_hooks:
        return False
    return len(stack.variants) == len(x) and x.shape[1] > 1


def _run_stacked(
    lstm: nn.LSTM, x: Tensor, state: tuple[Tensor, Tensor] | None, stack: Stack
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run a layer over the rows of several variants, without the inputs in which these do not differ."""
    width = lstm.hidden_size
    input_weight, recurrent_weight, input_bias, recurrent_bias = lstm.all_weights[0]
    gates = project_parts(x, input_weight, input_bias + recurrent_bias, stack.bounds(), stack.weights)
    recurrent = stack.weights.of(recurrent_weight)
    zeros = x.new_zeros((len(x), width))
    h, c = (zeros, zeros) if state is None else (state[0][0], state[1][0])
    output = x.new_empty((*x.shape[:2], width))
    for time in range(x.shape[1]):
        step = torch.addmm(gates[:, time], h, recurrent)
        inside = step[:, 2 * width : 3 * width].tanh()
        step.sigmoid_()
        c = torch.addcmul(step[:, width : 2 * width] * c, step[:, :width], inside)
        h = step[:, 3 * width :] * c.tanh()
        output[:, time] = h
    return output, (h[None], c[None])


def _run_steps(
    lstm: nn.LSTM,
    x: Tensor,
    site: Site,
    state: tuple[Tensor, Tensor] | None,
    lengths: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    zeros = x.new_zeros((1, len(x), lstm.hidden_size))
    h, c = state if state is not None else (zeros, zeros)
    outputs = []
    for time in range(x.shape[1]):
        _, (new_h, new_c) = lstm(x[:, time : time + 1], (h, c))
        new_h = site(new_h[0])[None]
        outputs.append(new_h[0])
        if lengths is not None:
            running = (time < lengths.to(x.device))[None, :, None]
            new_h, new_c = torch.where(running, new_h, h), torch.where(running, new_c, c)
        h, c = new_h.contiguous(), new_c.contiguous()
    return torch.stack(outputs, dim=1), (h, c)


@dataclass
class RecurrentState:
    """The state of a recurrent model between generated subwords.

    Attributes:
        tensors: tensors of shape (batch, ...), in an order that the model defines.
        steps: number of subwords read so far.
        keys: what an attention compares with, (batch, ...), if it stays the same from step to step.
    """

    tensors: list[Tensor]
    steps: int = 0
    keys: Tensor | None = None
    is_compileable: bool = False

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the number of subwords read so far; ``generate`` calls it by this name."""
        return self.steps

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep the states of the beams that are continued."""
        self.tensors = [tensor.index_select(0, beam_idx.to(tensor.device)) for tensor in self.tensors]
        if self.keys is not None:
            self.keys = self.keys.index_select(0, beam_idx.to(self.keys.device))


def gather_time(x: Float[Tensor, "batch time width"], index: Int[Tensor, "batch time"]) -> Tensor:
    """Return each sequence reordered along time by its index."""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def reversal(mask: Bool[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """Return the time index that reverses each right-padded sequence within its length; it inverts itself."""
    time = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    last = mask.sum(1, keepdim=True) - 1
    return torch.where(mask, last - time, time)


def to_right_padding(mask: Bool[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """Return the time index that moves padding to the right; subwords keep their order."""
    return torch.argsort((~mask).to(torch.int8), dim=1, stable=True)
