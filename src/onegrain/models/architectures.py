"""Where each family of models keeps its parts: a small table, and the head counts of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from onegrain.errors import ModelError

__all__ = ["ARCHITECTURES", "Architecture", "Side", "Stack", "count_heads", "input_width"]

Side = Literal["source", "target"]
"""Which words a site sees: the source's (encoders, language models) or the target's (decoders)."""


@dataclass(frozen=True)
class Stack:
    """One stack of blocks; paths from the model without its head, and inside a block.

    What enters block 0 is the embeddings, a block's output the residual stream after it.

    Attributes:
        blocks: the list of blocks.
        attention: the projection that makes the self-attention's output of its heads.
        mlp: the projection that reads the MLP's neurons after the non-linearity.
        cross: the projection that makes the cross-attention's output; None where there is none.
        name: what the sites' names begin with.
        side: whose words the stack reads.
    """

    blocks: str
    attention: str
    mlp: str
    cross: str | None = None
    name: str = ""
    side: Side = "source"


Architecture = tuple[Stack, ...]
"""The stacks of a model, from the bottom up."""

BERT = (Stack("encoder.layer", "attention.output.dense", "output.dense"),)
LLAMA = (Stack("layers", "self_attn.o_proj", "mlp.down_proj"),)
BART = (
    Stack("encoder.layers", "self_attn.out_proj", "fc2", name="encoder."),
    Stack("decoder.layers", "self_attn.out_proj", "fc2", "encoder_attn.out_proj", "decoder.", "target"),
)
T5 = (
    Stack("encoder.block", "layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo", name="encoder."),
    Stack(
        "decoder.block",
        "layer.0.SelfAttention.o",
        "layer.2.DenseReluDense.wo",
        "layer.1.EncDecAttention.o",
        "decoder.",
        "target",
    ),
)

ARCHITECTURES: dict[str, Architecture] = {
    "bart": BART,
    "bert": BERT,
    "camembert": BERT,
    "distilbert": (Stack("transformer.layer", "attention.out_lin", "ffn.lin2"),),
    "electra": BERT,
    "gemma": LLAMA,
    "gemma2": LLAMA,
    "gemma3_text": LLAMA,
    "gpt2": (Stack("h", "attn.c_proj", "mlp.c_proj"),),
    "gpt_neox": (Stack("layers", "attention.dense", "mlp.dense_4h_to_h"),),
    "llama": LLAMA,
    "m2m_100": BART,
    "marian": BART,
    "mbart": BART,
    "mistral": LLAMA,
    "mt5": T5,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "roberta": BERT,
    "t5": T5,
    "xlm-roberta": BERT,
}
"""By ``config.model_type``."""

HEAD_COUNTS = {
    "source": ("encoder_attention_heads", "num_attention_heads", "n_head", "n_heads", "num_heads"),
    "target": ("decoder_attention_heads", "num_attention_heads", "n_head", "n_heads", "num_heads"),
}


def count_heads(config: Any, side: Side) -> int:
    """How many attention heads the blocks of a stack have, as the model's configuration says."""
    for name in HEAD_COUNTS[side]:
        if getattr(config, name, None):
            return int(getattr(config, name))
    raise ModelError(
        f"the configuration of {config.model_type} names no number of attention heads; it was looked for as "
        + ", ".join(HEAD_COUNTS[side])
    )


def input_width(model: nn.Module, path: str) -> int:
    """How many values a projection reads: a ``Linear``, or GPT-2's ``Conv1D``, which lies the other way."""
    module = model.get_submodule(path)
    width = getattr(module, "in_features", getattr(module, "nx", None))
    if width is None:
        raise ModelError(
            f"module {path!r} is a {type(module).__name__}, of which it is not known how much it reads"
        )
    return int(width)
