"""The LSTM language model of [Dalvi19], as a ``PreTrainedModel``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import can_return_tuple

from onegrain.models.losses import mean_loss
from onegrain.models.lstm.recurrent import (
    RecurrentConfig,
    RecurrentModel,
    RecurrentState,
    Site,
    gather_time,
    run_lstm,
    to_right_padding,
)

__all__ = ["LSTMLanguageModel", "LSTMLanguageModelConfig", "RecurrentLayer"]


class LSTMLanguageModelConfig(RecurrentConfig):
    """Configuration of :class:`LSTMLanguageModel`; see :class:`RecurrentConfig` for the arguments."""

    model_type = "onegrain_lstm_lm"


class RecurrentLayer(nn.Module):
    """One unidirectional LSTM layer whose output passes a site."""

    def __init__(self, input_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.state = Site()
        self.state_width = hidden_size
        self.site = Site()

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None, lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over (batch, time, width); with ``lengths``, return the state after each sequence's last word."""
        output, last = run_lstm(self.lstm, self.dropout(x), self.state, state, lengths)
        return self.site(output), last


class LSTMLanguageModel(RecurrentModel):
    """A unidirectional LSTM language model: embeddings, LSTM layers, output projection.

    Sites: ``embeddings``, and ``layers.N``, the output of layer N as the next layer reads it.
    """

    config_class = LSTMLanguageModelConfig
    _tied_weights_keys: ClassVar = {"lm_head.weight": "embeddings.weight"}

    def __init__(self, config: LSTMLanguageModelConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_width)
        self.embeddings_site = Site()
        widths = [config.embedding_width] + [config.hidden_size] * config.num_hidden_layers
        self.layers = nn.ModuleList(
            RecurrentLayer(below, above, config.dropout) for below, above in pairwise(widths)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the subword embeddings."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the subword embeddings."""
        self.embeddings = value

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_ids: Int[Tensor, "batch time"],
        attention_mask: Int[Tensor, "batch time"] | None = None,
        labels: Int[Tensor, "batch time"] | None = None,
        past_key_values: RecurrentState | None = None,
        use_cache: bool | None = None,
    ) -> CausalLMOutputWithPast:
        """Return logits (batch, time, vocabulary) of the next subword; with labels, also the mean loss in nats.

        ``labels`` are the input ids (-100 is ignored), which are shifted here. Padding can be on either side.
        """
        x = self.embeddings_site(self.embeddings(input_ids))
        mask = None if attention_mask is None else attention_mask[:, -input_ids.shape[1] :].bool()
        padded = mask is not None and not bool(mask.all())
        order = lengths = None
        if padded and mask is not None:
            lengths = mask.sum(1).clamp(min=1) if use_cache else None
            if not bool(mask[:, 0].all()):
                order = to_right_padding(mask)
                x = gather_time(x, order)
        tensors = past_key_values.tensors if past_key_values is not None else None
        new_state: list[Tensor] = []
        for number, layer in enumerate(self.layers):
            state = None
            if tensors is not None:
                state = (
                    tensors[2 * number].unsqueeze(0).contiguous(),
                    tensors[2 * number + 1].unsqueeze(0).contiguous(),
                )
            x, last = layer(x, state, lengths)
            new_state += [last[0].squeeze(0), last[1].squeeze(0)]
        if order is not None:
            x = gather_time(x, torch.argsort(order, dim=1))
        logits = self.lm_head(self.dropout(x))
        steps = input_ids.shape[1] + (past_key_values.steps if past_key_values is not None else 0)
        return CausalLMOutputWithPast(
            loss=self._loss(logits, labels),
            logits=logits,
            past_key_values=RecurrentState(new_state, steps) if use_cache else None,
        )

    def _loss(self, logits: Tensor, labels: Tensor | None) -> Tensor | None:
        if labels is None:
            return None
        return mean_loss(logits[:, :-1], labels[:, 1:], self.config.label_smoothing if self.training else None)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: RecurrentState | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the inputs of one generation step: first the prompt, then one subword with the state."""
        if past_key_values is not None:
            input_ids, attention_mask = input_ids[:, -1:], None
        return {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "use_cache": kwargs.get("use_cache", True),
        }
