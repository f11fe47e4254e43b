"""What bounds a row of subwords, and whether a subword sees what follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from onegrain.models.loaded import LoadedModel

__all__ = ["is_causal", "longest_row"]

UNBOUNDED = 10**6
"""Tokenizers without a limit name an astronomical one."""

CLOSE = 1e-3


def longest_row(network: Any, tokenizer: Any) -> int | None:
    """How many subwords a row may have, special ones included; None where nothing bounds it.

    The smaller of the positions that the model has and the ``model_max_length`` of its tokenizer. RoBERTa and
    its like number positions from behind the padding id, so that ``max_position_embeddings`` counts
    ``pad_token_id + 1`` which no subword takes. Models without numbered positions (LSTMs, T5) run on rows of
    any length: they have no bound, and the length that their tokenizer names, on which they were trained, is
    taken as advice. Models with rotary positions (Llama) would run on longer rows too, but have not learned to.
    """
    positions = getattr(network.config, "max_position_embeddings", None)
    if not positions:
        return None
    known = (positions - _reserved(network), tokenizer.model_max_length)
    return min((int(limit) for limit in known if limit and 0 < limit < UNBOUNDED), default=None)


def _reserved(network: nn.Module) -> int:
    """The positions that no subword takes: those up to the one that padding has."""
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


@torch.no_grad()
def is_causal(loaded: LoadedModel) -> bool:
    """Whether the first subword's values are the same whatever follows it, found by trying."""
    if loaded.task == "translation":
        return False
    special = set(loaded.tokenizer.all_special_ids)
    vocabulary = range(loaded.model.get_input_embeddings().num_embeddings)
    first, second, third = [subword for subword in vocabulary if subword not in special][:3]
    seen = loaded.forward([[first, second, second], [first, third, third]])[0][:, 0].float()
    return bool((seen[0] - seen[1]).abs().max() <= CLOSE * seen.abs().max())
