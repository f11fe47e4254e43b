"""A tiny randomly initialised model of every architecture that has named sites, with its own tokenizer class.

All have two layers and two heads, read at most 64 subwords (T5 has no limit), and a vocabulary so small that
most words are several subwords. Weights are drawn as those of the tiny models are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from onegrain.models import LoadedModel, load_model
from onegrain.records.corpus import Corpus
from support.tiny import SENTENCES, TRANSLATIONS, save_tiny
from support.zoo_tokenizers import SCRIPTS, TOKENIZERS, marian_tokenizer

__all__ = [
    "BASE",
    "ENCODERS",
    "HEADS",
    "INNER",
    "LANGUAGE_MODELS",
    "LAYERS",
    "PAIR",
    "POSITIONS",
    "TRANSLATION_MODELS",
    "WIDTH",
    "ZOO",
    "Zoo",
    "build",
    "zoo_corpus",
]

WIDTH = 16
INNER = 24
LAYERS = 2
HEADS = 2
POSITIONS = 64

BASE = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "max_position_embeddings": POSITIONS,
}
GROUPED = BASE | {"num_key_value_heads": 1}
WIDE_HEADS = GROUPED | {"head_dim": 12}
"""Heads whose total width exceeds that of the residual stream."""
MIXED = WIDE_HEADS | {
    "query_pre_attn_scalar": 12,
    "sliding_window": 8,
    "layer_types": ["sliding_attention", "full_attention"],
}
PAIR = {
    "d_model": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": INNER,
    "decoder_ffn_dim": INNER,
    "max_position_embeddings": POSITIONS,
}
KINDS: dict[str, tuple[str, Any, Any, dict[str, Any]]] = {
    "bert": ("bert", BertConfig, BertModel, BASE),
    "distilbert": (
        "distilbert",
        DistilBertConfig,
        DistilBertModel,
        {
            "dim": WIDTH,
            "n_layers": LAYERS,
            "n_heads": HEADS,
            "hidden_dim": INNER,
            "max_position_embeddings": POSITIONS,
        },
    ),
    "roberta": ("roberta", RobertaConfig, RobertaModel, BASE | {"max_position_embeddings": POSITIONS + 2}),
    "xlm-roberta": (
        "xlm-roberta",
        XLMRobertaConfig,
        XLMRobertaModel,
        BASE | {"max_position_embeddings": POSITIONS + 2},
    ),
    "gpt2": (
        "gpt2",
        GPT2Config,
        GPT2LMHeadModel,
        {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_inner": INNER, "n_positions": POSITIONS},
    ),
    "gpt_neox": ("gpt_neox", GPTNeoXConfig, GPTNeoXForCausalLM, BASE),
    "llama": ("llama", LlamaConfig, LlamaForCausalLM, GROUPED),
    "mistral": ("llama", MistralConfig, MistralForCausalLM, GROUPED | {"sliding_window": None}),
    "qwen2": ("qwen2", Qwen2Config, Qwen2ForCausalLM, GROUPED),
    "qwen3": ("qwen2", Qwen3Config, Qwen3ForCausalLM, WIDE_HEADS),
    "gemma": ("gemma", GemmaConfig, GemmaForCausalLM, WIDE_HEADS),
    "gemma2": ("gemma", Gemma2Config, Gemma2ForCausalLM, MIXED),
    "gemma3": ("gemma", Gemma3TextConfig, Gemma3ForCausalLM, MIXED),
    "t5": (
        "t5",
        T5Config,
        T5ForConditionalGeneration,
        {"d_model": WIDTH, "d_kv": 12, "d_ff": INNER, "num_layers": LAYERS, "num_heads": HEADS},
    ),
    "bart": ("bart", BartConfig, BartForConditionalGeneration, PAIR),
    "mbart": ("mbart", MBartConfig, MBartForConditionalGeneration, PAIR),
    "marian": ("marian", MarianConfig, MarianMTModel, PAIR | {"scale_embedding": True}),
}
"""By name: tokenizer, configuration class, model class, sizes."""

ENCODERS = ("bert", "distilbert", "roberta", "xlm-roberta")
TRANSLATION_MODELS = ("t5", "bart", "mbart", "marian")
LANGUAGE_MODELS = tuple(name for name in KINDS if name not in (*ENCODERS, *TRANSLATION_MODELS))


def build(name: str, folder: Path) -> Path:
    """Write a model and its tokenizer into a folder."""
    return ZOO[name](folder)


def zoo_corpus() -> Corpus:
    """Return the tiny English sentences and those in other scripts, with German on the target side."""
    source = [line.split() for line in [*SENTENCES, *SCRIPTS]]
    target = [line.split() for line in [*TRANSLATIONS, *TRANSLATIONS[: len(SCRIPTS)]]]
    return Corpus.from_sentences(source, source="zoo").with_target(
        Corpus.from_sentences(target, source="zoo-de")
    )


class Zoo(Mapping[str, LoadedModel]):
    """The models by name, each built and loaded when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, LoadedModel] = {}

    def __getitem__(self, name: str) -> LoadedModel:
        if name not in self._loaded:
            self._loaded[name] = load_model(self.path(name), device="cpu")
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ZOO)

    def __len__(self) -> int:
        return len(ZOO)

    def path(self, name: str) -> Path:
        """Return the folder of a model, which is built if it does not exist."""
        folder = self.folder / name
        return folder if folder.is_dir() else build(name, folder)


def _build(name: str, folder: Path) -> Path:
    kind, config, model, sizes = KINDS[name]
    tokenizer = marian_tokenizer(folder) if kind == "marian" else TOKENIZERS[kind]()
    special = {
        f"{role}_token_id": getattr(tokenizer, f"{role}_token_id", None) for role in ("pad", "bos", "eos")
    }
    if special["pad_token_id"] is None:
        special["pad_token_id"] = special["eos_token_id"]
    if name in TRANSLATION_MODELS:
        special["decoder_start_token_id"] = {
            "bart": tokenizer.eos_token_id,
            "mbart": tokenizer.convert_tokens_to_ids("de_DE"),
        }.get(name, tokenizer.pad_token_id)
    chosen = config(vocab_size=len(tokenizer), **sizes, **special)
    return save_tiny(folder, lambda: model(chosen), tokenizer, 0)


ZOO: dict[str, Callable[[Path], Path]] = {name: partial(_build, name) for name in KINDS}
"""Name -> function that writes the model and its tokenizer into a folder."""
