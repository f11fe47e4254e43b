"""The module paths of each supported model family, and the head counts and widths of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from onegrain.errors import ModelError

__all__ = ["ARCHITECTURES", "Architecture", "Side", "Stack", "count_heads", "input_width"]

Side = Literal["source", "target"]
"""The text that a site reads: source words (encoders, language models) or target words (decoders)."""


@dataclass(frozen=True)
class Stack:
    """A stack of blocks and the paths of its parts.

    The path ``blocks`` starts at the model without its head; the other paths start at a block. The input of
    block 0 is the embeddings; the output of a block is the residual stream after it.

    Attributes:
        blocks: the list of blocks.
        attention: the projection from the self-attention heads to the attention output.
        mlp: the projection that reads the MLP's neurons after the non-linearity.
        gate: the module that gives a gated MLP's gate, after the non-linearity; None without a gate.
        up: the projection whose output the gate multiplies; None without a gate. A model without this module
            has no gate.
        cross: the projection from the cross-attention heads to their output; None without cross-attention.
        name: the prefix of the names of the sites.
        side: ``source`` or ``target``: the words that the stack reads.
    """

    blocks: str
    attention: str
    mlp: str
    cross: str | None = None
    name: str = ""
    side: Side = "source"
    gate: str | None = None
    up: str | None = None


Architecture = tuple[Stack, ...]
"""The stacks of a model, in the order in which they run."""

BERT = (Stack("encoder.layer", "attention.output.dense", "output.dense"),)
LLAMA = (Stack("layers", "self_attn.o_proj", "mlp.down_proj", gate="mlp.act_fn", up="mlp.up_proj"),)
BART = (
    Stack("encoder.layers", "self_attn.out_proj", "fc2", name="encoder."),
    Stack("decoder.layers", "self_attn.out_proj", "fc2", "encoder_attn.out_proj", "decoder.", "target"),
)
T5 = (
    Stack(
        "encoder.block",
        "layer.0.SelfAttention.o",
        "layer.1.DenseReluDense.wo",
        name="encoder.",
        gate="layer.1.DenseReluDense.act",
        up="layer.1.DenseReluDense.wi_1",
    ),
    Stack(
        "decoder.block",
        "layer.0.SelfAttention.o",
        "layer.2.DenseReluDense.wo",
        "layer.1.EncDecAttention.o",
        "decoder.",
        "target",
        gate="layer.2.DenseReluDense.act",
        up="layer.2.DenseReluDense.wi_1",
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
"""The supported architectures by ``config.model_type``."""

HEAD_COUNTS = {
    "source": ("encoder_attention_heads", "num_attention_heads", "n_head", "n_heads", "num_heads"),
    "target": ("decoder_attention_heads", "num_attention_heads", "n_head", "n_heads", "num_heads"),
}


def count_heads(config: Any, side: Side) -> int:
    """Return the number of attention heads in each block of a stack, from the model's configuration.

    Raises:
        ModelError: the configuration does not state a number of heads.
    """
    for name in HEAD_COUNTS[side]:
        if getattr(config, name, None):
            return int(getattr(config, name))
    raise ModelError(
        f"the configuration of {config.model_type} does not state the number of attention heads; looked for "
        + ", ".join(HEAD_COUNTS[side])
    )


def input_width(model: nn.Module, path: str) -> int:
    """Return the number of input values of a projection, a ``Linear`` or GPT-2's transposed ``Conv1D``.

    Raises:
        ModelError: the module has another type, whose input width is unknown.
    """
    module = model.get_submodule(path)
    width = getattr(module, "in_features", getattr(module, "nx", None))
    if width is None:
        raise ModelError(f"cannot tell the input width of module {path!r}, which is a {type(module).__name__}")
    return int(width)
