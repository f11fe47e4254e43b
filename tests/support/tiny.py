"""Tiny real models with random weights, saved as Hugging Face folders with their tokenizers.

Every model is 16 units wide, has two layers and two heads, and a vocabulary so small that most words are
several subwords. Weights are drawn wide enough that neurons differ visibly from word to word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
)

from onegrain.models import (
    LoadedModel,
    LSTMLanguageModel,
    LSTMLanguageModelConfig,
    LSTMTranslationConfig,
    LSTMTranslationModel,
    load_model,
)
from onegrain.models.lstm.tokenization import train_tokenizer
from onegrain.records.corpus import Corpus

__all__ = [
    "HIDDEN",
    "LAYERS",
    "SENTENCES",
    "TRANSLATIONS",
    "load_tiny_models",
    "parallel_corpus",
    "plain_corpus",
    "save_tiny",
    "tiny_bert",
    "tiny_gpt2",
    "tiny_nlm",
    "tiny_nmt",
    "tiny_opt",
]

HIDDEN = 16
LAYERS = 2

SENTENCES = [
    "the old dog sleeps near the warm fire .",
    "three birds were singing in the garden yesterday .",
    "Anna does not like cold soup .",
    "does the teacher know the unbelievably long answer ?",
    "rain !",
    "two small children played with a yellow ball in the street while their mother read a book .",
    "the mayor of the town opened a new library in March .",
    "he runs faster than his brother , but she runs fastest .",
]

TRANSLATIONS = [
    "der alte Hund schläft neben dem warmen Feuer .",
    "drei Vögel sangen gestern im Garten .",
    "Anna mag keine kalte Suppe .",
    "kennt der Lehrer die unglaublich lange Antwort ?",
    "Regen !",
    "zwei kleine Kinder spielten auf der Straße mit einem gelben Ball , während ihre Mutter ein Buch las .",
    "der Bürgermeister der Stadt eröffnete im März eine neue Bibliothek .",
    "er läuft schneller als sein Bruder , aber sie läuft am schnellsten .",
]


def plain_corpus() -> Corpus:
    """Return the English sentences with the layers ``length`` and ``initial`` (some words unlabelled)."""
    sentences = [line.split() for line in SENTENCES]
    layers = {
        "length": [[str(min(len(word), 5)) for word in words] for words in sentences],
        "initial": [[word[0].lower() if word[0].isalpha() else None for word in words] for words in sentences],
    }
    return Corpus.from_sentences(sentences, layers, source="tiny-en")


def parallel_corpus() -> Corpus:
    """Return the English sentences with their German translations."""
    german = [line.split() for line in TRANSLATIONS]
    labels = {"length": [[str(min(len(word), 5)) for word in words] for words in german]}
    return plain_corpus().with_target(Corpus.from_sentences(german, labels, source="tiny-de"))


def tiny_nlm(path: Path, *, seed: int = 0) -> Path:
    """Save an LSTM language model."""
    tokenizer = _tokenizer(starts_with_bos=True)
    config = LSTMLanguageModelConfig(vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=LAYERS)
    return save_tiny(path, lambda: LSTMLanguageModel(config), tokenizer, seed)


def tiny_nmt(path: Path, *, seed: int = 0) -> Path:
    """Save an attentional LSTM translation model."""
    tokenizer = _tokenizer(starts_with_bos=False)
    config = LSTMTranslationConfig(vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=LAYERS)
    return save_tiny(path, lambda: LSTMTranslationModel(config), tokenizer, seed)


def tiny_bert(path: Path, *, seed: int = 0) -> Path:
    """Save a BERT encoder that reads at most 64 subwords."""
    tokenizer = _tokenizer(starts_with_bos=True)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return save_tiny(path, lambda: BertModel(config), tokenizer, seed)


def tiny_gpt2(path: Path, *, seed: int = 0) -> Path:
    """Save a GPT-2 language model that reads at most 64 subwords."""
    tokenizer = _tokenizer(starts_with_bos=True)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=HIDDEN,
        n_layer=LAYERS,
        n_head=2,
        n_positions=64,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return save_tiny(path, lambda: GPT2LMHeadModel(config), tokenizer, seed)


def tiny_opt(path: Path, *, seed: int = 0) -> Path:
    """Save an OPT language model, whose architecture has no named sites."""
    tokenizer = _tokenizer(starts_with_bos=True)
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        word_embed_proj_dim=HIDDEN,
        ffn_dim=24,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return save_tiny(path, lambda: OPTForCausalLM(config), tokenizer, seed)


def load_tiny_models(folder: Path) -> dict[str, LoadedModel]:
    """Save the four models below a folder, and return them loaded: ``nlm``, ``nmt``, ``bert``, ``gpt2``."""
    builders = {"nlm": tiny_nlm, "nmt": tiny_nmt, "bert": tiny_bert, "gpt2": tiny_gpt2}
    return {name: load_model(build(folder / name), device="cpu") for name, build in builders.items()}


def _tokenizer(*, starts_with_bos: bool) -> PreTrainedTokenizerFast:
    corpora = [
        Corpus.from_sentences([line.split() for line in SENTENCES]),
        Corpus.from_sentences([line.split() for line in TRANSLATIONS]),
    ]
    return train_tokenizer(corpora, 140, starts_with_bos=starts_with_bos, max_length=64)


def save_tiny(path: Path, build: Any, tokenizer: PreTrainedTokenizerFast, seed: int) -> Path:
    """Save a model whose matrices are drawn with a standard deviation of 0.3, so that units differ."""
    model = build()
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, weight in sorted(model.named_parameters()):
            if weight.dim() > 1:
                weight.copy_(0.3 * torch.randn(weight.shape, generator=source))
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
