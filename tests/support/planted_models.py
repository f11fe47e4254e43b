"""A language model, built by hand, in which one neuron does all the work."""

from __future__ import annotations

from pathlib import Path

import torch

from onegrain.models import LSTMLanguageModel, LSTMLanguageModelConfig
from onegrain.models.lstm.tokenization import train_tokenizer
from onegrain.records.corpus import Corpus

__all__ = ["KEY", "alternating_corpus", "planted_nlm"]

KEY = 5
"""The unit of ``layers.0`` that knows the next word; the other seven are constant."""


def alternating_corpus() -> Corpus:
    """Return sentences in which ``a`` and ``b`` alternate."""
    lengths = [4, 5, 6, 7, 8, 9, 10, 11]
    return Corpus.from_sentences([["ab"[position % 2] for position in range(length)] for length in lengths])


def planted_nlm(path: Path) -> Path:
    """Save the model: unit ``KEY`` is near +0.76 after ``a``, -0.76 after ``b``, and the logits read it.

    Every other unit is silent (its gates are shut), so erasing it changes nothing.
    """
    tokenizer = train_tokenizer([alternating_corpus()], 20, starts_with_bos=True, max_length=32)
    a, b = tokenizer([["a"], ["b"]], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    config = LSTMLanguageModelConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, tie_word_embeddings=False
    )
    model = LSTMLanguageModel(config)
    lstm = model.layers[0].lstm
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.embeddings.weight[a[-1], 0] = 1.0
        model.embeddings.weight[b[-1], 0] = -1.0
        lstm.weight_ih_l0[2 * 8 + KEY, 0] = 20.0  # cell input, after the input and forget gates
        for gate, bias in ((0, 20.0), (1, -20.0), (3, 20.0)):
            lstm.bias_ih_l0[gate * 8 + KEY] = bias
        model.lm_head.weight[b[-1], KEY] = 10.0
        model.lm_head.weight[a[-1], KEY] = -10.0
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
