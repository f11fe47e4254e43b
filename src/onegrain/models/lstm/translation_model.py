"""The attentional bidirectional-LSTM translation model of [Dalvi19], as a ``PreTrainedModel``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.utils import can_return_tuple

from onegrain.errors import ParameterError
from onegrain.models.losses import mean_loss
from onegrain.models.lstm.recurrent import (
    RecurrentConfig,
    RecurrentModel,
    RecurrentState,
    Site,
    gather_time,
    reversal,
    run_lstm,
    to_right_padding,
)

__all__ = ["BidirectionalLayer", "LSTMDecoderLayer", "LSTMTranslationConfig", "LSTMTranslationModel"]


class LSTMTranslationConfig(RecurrentConfig):
    """Configuration of :class:`LSTMTranslationModel`; see :class:`RecurrentConfig` for the arguments."""

    model_type = "onegrain_lstm_nmt"

    is_encoder_decoder: bool | None = True
    decoder_start_token_id: int | None = 1

    def __post_init__(self, **kwargs: Any) -> None:
        """Check that the width can be divided between the two directions of the encoder."""
        if self.hidden_size % 2:
            raise ParameterError(
                f"hidden_size {self.hidden_size} is odd; a bidirectional encoder splits it in two halves"
            )
        super().__post_init__(**kwargs)


class BidirectionalLayer(nn.Module):
    """One bidirectional LSTM layer, whose output, forward half then backward half, passes a site."""

    def __init__(self, input_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.forward_lstm = nn.LSTM(input_size, hidden_size // 2, batch_first=True)
        self.backward_lstm = nn.LSTM(input_size, hidden_size // 2, batch_first=True)
        self.forward_state, self.backward_state = Site(), Site()
        self.site = Site()

    def forward(self, x: Tensor, backwards: Tensor) -> Tensor:
        """Run over right-padded (batch, time, width); the index ``backwards`` reverses each sequence."""
        x = self.dropout(x)
        ahead, _ = run_lstm(self.forward_lstm, x, self.forward_state)
        back, _ = run_lstm(self.backward_lstm, gather_time(x, backwards), self.backward_state)
        return self.site(torch.cat([ahead, gather_time(back, backwards)], dim=-1))


class LSTMEncoder(nn.Module):
    """The bidirectional encoder."""

    main_input_name = "input_ids"

    def __init__(self, config: LSTMTranslationConfig) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_width)
        self.embeddings_site = Site()
        widths = [config.embedding_width] + [config.hidden_size] * config.num_hidden_layers
        self.layers = nn.ModuleList(
            BidirectionalLayer(below, above, config.dropout) for below, above in pairwise(widths)
        )

    def forward(
        self,
        input_ids: Int[Tensor, "batch time"],
        attention_mask: Int[Tensor, "batch time"] | None = None,
        **_: Any,
    ) -> BaseModelOutput:
        """Encode (batch, time) subwords, padding on either side, to (batch, time, width)."""
        mask = torch.ones_like(input_ids).bool() if attention_mask is None else attention_mask.bool()
        x = self.embeddings_site(self.embeddings(input_ids))
        order = None if bool(mask[:, 0].all()) else to_right_padding(mask)
        if order is not None:
            x, mask = gather_time(x, order), mask.gather(1, order)
        backwards = reversal(mask)
        for layer in self.layers:
            x = layer(x, backwards)
        if order is not None:
            x = gather_time(x, torch.argsort(order, dim=1))
        return BaseModelOutput(last_hidden_state=x)


class LSTMDecoderLayer(nn.Module):
    """One step of an LSTM layer.

    The part of the gates that does not depend on earlier steps is computed before and passed in.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = nn.Linear(2 * hidden_size, 4 * hidden_size)
        self.state = Site()
        self.state_width = hidden_size
        self.site = Site()

    def forward(
        self, below: Tensor, known: Tensor | None, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return (output after the site, h, c), each (batch, width)."""
        gates = self.recurrent(torch.cat([below, h], dim=-1))
        if known is not None:
            gates = gates + known
        i, f, o, g = gates.float().chunk(4, dim=-1)
        c = torch.sigmoid(f + 1.0) * c + torch.sigmoid(i) * torch.tanh(g)
        h = self.state(torch.sigmoid(o) * torch.tanh(c))
        return self.site(h), h, c


class LSTMDecoder(nn.Module):
    """The decoder: LSTM layers with Luong's general attention and input feeding.

    The first layer reads the subword's embedding and the previous attentional vector. The output projection
    reads the attentional vector tanh(W [context; top layer]).
    """

    def __init__(self, config: LSTMTranslationConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_width)
        self.embeddings_site = Site()
        self.input_gates = nn.Linear(config.embedding_width, 4 * width, bias=False)
        self.layers = nn.ModuleList(LSTMDecoderLayer(width) for _ in range(config.num_hidden_layers))
        self.bridge = nn.Linear(width, 2 * width * config.num_hidden_layers)
        self.attention_keys = nn.Linear(width, width, bias=False)
        self.attention_output = nn.Linear(2 * width, width, bias=False)
        self.attention_site = Site()
        self.dropout = nn.Dropout(config.dropout)

    def initial_state(self, encoded: Tensor, mask: Tensor) -> RecurrentState:
        """Return the state before the first subword, from the last state of each direction of the encoder."""
        half = encoded.shape[-1] // 2
        first = mask.to(torch.int8).argmax(1)
        last = mask.shape[1] - 1 - mask.flip(1).to(torch.int8).argmax(1)
        rows = torch.arange(encoded.shape[0], device=encoded.device)
        ends = torch.cat([encoded[rows, last, :half], encoded[rows, first, half:]], dim=-1)
        states = torch.tanh(self.bridge(ends).float()).chunk(2 * len(self.layers), dim=-1)
        return RecurrentState([*states, torch.zeros_like(states[0])])

    def forward(
        self,
        input_ids: Int[Tensor, "batch time"],
        encoded: Float[Tensor, "batch source width"],
        mask: Tensor,
        state: RecurrentState | None,
    ) -> tuple[Tensor, RecurrentState]:
        """Return attentional vectors (batch, time, width) and the state after the last subword."""
        state = self.initial_state(encoded, mask) if state is None else state
        tensors = list(state.tensors)
        known = self.input_gates(self.dropout(self.embeddings_site(self.embeddings(input_ids)))).unbind(1)
        keys = state.keys if state.keys is not None else self.attention_keys(encoded).transpose(1, 2)
        blocked = torch.zeros(mask.shape, dtype=keys.dtype, device=mask.device)
        blocked = blocked.masked_fill(~mask, torch.finfo(keys.dtype).min).unsqueeze(1)
        outputs = []
        for gates in known:
            below = tensors[-1]
            for number, layer in enumerate(self.layers):
                h, c = 2 * number, 2 * number + 1
                input_gates = gates if number == 0 else None
                below, tensors[h], tensors[c] = layer(self.dropout(below), input_gates, tensors[h], tensors[c])
            scores = torch.baddbmm(blocked, below.unsqueeze(1).to(keys.dtype), keys)
            context = torch.bmm(torch.softmax(scores, dim=-1), encoded.to(keys.dtype)).squeeze(1)
            joined = self.attention_output(torch.cat([context, below.to(context.dtype)], dim=-1))
            tensors[-1] = self.attention_site(torch.tanh(joined))
            outputs.append(tensors[-1])
        return torch.stack(outputs, dim=1), RecurrentState(tensors, state.steps + input_ids.shape[1], keys)


class LSTMTranslationModel(RecurrentModel):
    """A translation model: bidirectional LSTM encoder, LSTM decoder with attention and input feeding.

    Sites: ``encoder.embeddings``, ``encoder.layers.N`` (forward half, then backward half),
    ``decoder.embeddings``, ``decoder.layers.N`` and ``decoder.attention`` (the attentional vector).
    """

    config_class = LSTMTranslationConfig
    _tied_weights_keys: ClassVar = {"lm_head.weight": "decoder.embeddings.weight"}

    def __init__(self, config: LSTMTranslationConfig) -> None:
        super().__init__(config)
        self.encoder = LSTMEncoder(config)
        self.decoder = LSTMDecoder(config)
        self.dropout = nn.Dropout(config.dropout)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_encoder(self, modality: str | None = None) -> LSTMEncoder:
        """Return the encoder, which ``generate`` runs once."""
        return self.encoder

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the encoder's subword embeddings."""
        return self.encoder.embeddings

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_ids: Int[Tensor, "batch source"] | None = None,
        attention_mask: Int[Tensor, "batch source"] | None = None,
        decoder_input_ids: Int[Tensor, "batch time"] | None = None,
        labels: Int[Tensor, "batch time"] | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: RecurrentState | None = None,
        use_cache: bool | None = None,
    ) -> Seq2SeqLMOutput:
        """Return logits (batch, time, vocabulary) of the next target subword; with labels, also the mean loss.

        The loss is in nats. ``labels`` are the target ids (-100 is ignored). Without ``decoder_input_ids`` they
        are shifted right, after the decoder's start token, as in other sequence-to-sequence models.
        """
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids, attention_mask)
        encoded = encoder_outputs[0]
        if attention_mask is None:
            attention_mask = torch.ones(encoded.shape[:2], dtype=torch.long, device=encoded.device)
        if decoder_input_ids is None:
            if labels is None:
                raise ParameterError("a translation model needs decoder_input_ids or labels")
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        vectors, state = self.decoder(decoder_input_ids, encoded, attention_mask.bool(), past_key_values)
        logits = self.lm_head(self.dropout(vectors))
        loss = None
        if labels is not None:
            loss = mean_loss(logits, labels, self.config.label_smoothing if self.training else None)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=state if use_cache else None,
            encoder_last_hidden_state=encoded,
        )

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """Return the decoder input for target ids: a start token and all but the last; -100 becomes padding."""
        start = torch.full_like(labels[:, :1], self.config.decoder_start_token_id)
        shifted = torch.cat([start, labels[:, :-1]], dim=1)
        return shifted.masked_fill(shifted == -100, self.config.pad_token_id)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: RecurrentState | None = None,
        attention_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the inputs of one generation step: after the first step, one subword with the state."""
        return {
            "decoder_input_ids": input_ids if past_key_values is None else input_ids[:, -1:],
            "encoder_outputs": encoder_outputs,
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "use_cache": kwargs.get("use_cache", True),
        }
