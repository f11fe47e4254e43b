"""Tiny encoders with heads: masked language models, and classifiers of sentences and of words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPT2Config,
    GPT2ForSequenceClassification,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
)

from support.tiny import save_tiny
from support.zoo import KINDS
from support.zoo_tokenizers import TOKENIZERS

__all__ = ["CLASSES", "HEADED", "save_headed"]

CLASSES = ("cold", "mild", "warm")

HEADED: dict[str, tuple[str, Any, Any]] = {
    "bert-masked": ("bert", BertConfig, BertForMaskedLM),
    "roberta-masked": ("roberta", RobertaConfig, RobertaForMaskedLM),
    "distilbert-masked": ("distilbert", DistilBertConfig, DistilBertForMaskedLM),
    "bert-sentences": ("bert", BertConfig, BertForSequenceClassification),
    "roberta-sentences": ("roberta", RobertaConfig, RobertaForSequenceClassification),
    "gpt2-sentences": ("gpt2", GPT2Config, GPT2ForSequenceClassification),
    "bert-words": ("bert", BertConfig, BertForTokenClassification),
}
"""By name: tokenizer and sizes of the zoo, configuration class, model class."""


def save_headed(name: str, folder: Path, **options: Any) -> Path:
    """Save a model with its head and its tokenizer; further options go to the configuration."""
    kind, config, model = HEADED[name]
    tokenizer = TOKENIZERS[kind]()
    special = {
        f"{role}_token_id": getattr(tokenizer, f"{role}_token_id", None) for role in ("pad", "bos", "eos")
    }
    if special["pad_token_id"] is None:
        special["pad_token_id"] = special["eos_token_id"]
    labels = {} if "masked" in name else {"id2label": dict(enumerate(CLASSES))}
    chosen = config(vocab_size=len(tokenizer), **KINDS[kind][3], **special, **labels, **options)
    build: Callable[[], Any] = lambda: model(chosen)  # noqa: E731
    return save_tiny(folder, build, tokenizer, 0)
