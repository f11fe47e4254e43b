"""Where in a model the sites are: a small table of architectures, and any module by its path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from onegrain.errors import ModelError

__all__ = ["Side", "SitePoint", "find_points", "module_point"]

Side = Literal["source", "target"]
"""Which words a site sees: the source's (encoders, language models) or the target's (decoders)."""


@dataclass(frozen=True)
class SitePoint:
    """A site and the place in the module tree where its value passes.

    Attributes:
        name: the site's name, e.g. ``encoder.layers.1``.
        module: path of the module, from the model's root.
        reads: whether the value is that module's output or its first input.
        side: whose words the site sees.
    """

    name: str
    module: str
    reads: Literal["output", "input"] = "output"
    side: Side = "source"


@dataclass(frozen=True)
class Architecture:
    """Where one family of models keeps its parts; paths from the model without its head.

    Attributes:
        embeddings: the module whose output enters block 0.
        blocks: the list of blocks; a block's output is the residual stream after it.
        attention: inside a block, the module whose output is the attention's contribution.
        mlp: inside a block, the module that ``mlp_reads`` the neurons after the non-linearity.
    """

    embeddings: str
    blocks: str
    attention: str
    mlp: str
    mlp_reads: Literal["output", "input"] = "output"


BERT = Architecture("embeddings", "encoder.layer", "attention.output.dense", "intermediate")
LLAMA = Architecture("embed_tokens", "layers", "self_attn", "mlp.down_proj", "input")

ARCHITECTURES = {
    "bert": BERT,
    "camembert": BERT,
    "distilbert": Architecture("embeddings", "transformer.layer", "attention.out_lin", "ffn.lin2", "input"),
    "electra": BERT,
    "gpt2": Architecture("drop", "h", "attn", "mlp.act"),
    "gpt_neox": Architecture("emb_dropout", "layers", "attention", "mlp.dense_4h_to_h", "input"),
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "roberta": BERT,
    "xlm-roberta": BERT,
}
"""By ``config.model_type``."""


def find_points(model: nn.Module, model_type: str) -> list[SitePoint]:
    """Every named site of a model: from the bottom up, the encoder before the decoder.

    A model of an architecture that the table does not know has none; :func:`module_point` still reaches it.
    """
    if model_type == "onegrain_lstm_lm":
        return _recurrent("", model, "source")
    if model_type == "onegrain_lstm_nmt":
        encoder = _recurrent("encoder.", model.get_submodule("encoder"), "source")
        decoder = _recurrent("decoder.", model.get_submodule("decoder"), "target")
        return [*encoder, *decoder, SitePoint("decoder.attention", "decoder.attention_site", side="target")]
    if model_type in ARCHITECTURES:
        return _transformer(ARCHITECTURES[model_type], model)
    return []


def module_point(model: nn.Module, path: str) -> SitePoint:
    """The site that any module's output is, named by the module's path.

    In a translation model only what lies in the encoder sees the source's words.
    """
    names = [name for name, _ in model.named_modules() if name]
    if path not in names:
        raise ModelError(f"no module {path!r} in {type(model).__name__}; it has {_some(names)}")
    translates = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    return SitePoint(path, path, side="target" if translates and "encoder" not in path.split(".") else "source")


def _recurrent(prefix: str, part: nn.Module, side: Side) -> list[SitePoint]:
    layers = part.get_submodule("layers")
    count = sum(1 for _ in layers.children())
    points = [SitePoint(f"{prefix}embeddings", f"{prefix}embeddings_site", side=side)]
    return points + [
        SitePoint(f"{prefix}layers.{number}", f"{prefix}layers.{number}.site", side=side)
        for number in range(count)
    ]


def _transformer(parts: Architecture, model: nn.Module) -> list[SitePoint]:
    base = getattr(model, "base_model", model)
    root = "" if base is model else f"{model.base_model_prefix}."
    points = [SitePoint("embeddings", root + parts.embeddings)]
    for number, _ in enumerate(base.get_submodule(parts.blocks).children()):
        block = f"{root}{parts.blocks}.{number}"
        points += [
            SitePoint(f"layers.{number}", block),
            SitePoint(f"layers.{number}.attn", f"{block}.{parts.attention}"),
            SitePoint(f"layers.{number}.mlp", f"{block}.{parts.mlp}", parts.mlp_reads),
        ]
    return points


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return shown if len(names) <= 20 else f"{shown}, ... ({len(names)} in all)"
