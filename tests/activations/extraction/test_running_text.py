"""Compare values of words without spaces between them with those of the model on the running text."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import onegrain as og
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form
from support.zoo import ZOO

WORDS = [["I", "do", "n't", "know", ",", "Anna", "'s", "dog", "."], ["th", "e", "old", "fire", "of", "the"]]
FORMS = [
    [
        Form("I"),
        Form("do", False),
        Form("n't"),
        Form("know", False),
        Form(","),
        Form("Anna", False),
        Form("'s"),
        Form("dog", False),
        Form("."),
    ],
    [Form("th", False), Form("e"), Form("old"), Form("fire"), Form("dem", False), Form("")],
]
TEXTS = [" I don't know, Anna's dog.", " the old fire dem"]


def corpus() -> Corpus:
    return Corpus.from_sentences(WORDS, forms=FORMS)


@pytest.mark.parametrize("name", ["gpt2", "bert", "roberta", "llama"])
@pytest.mark.parametrize("aggregate", ["last", "first", "mean"])
@torch.no_grad()
def test_values_are_those_of_the_text(zoo, name, aggregate):
    """By its offsets, a word has the subwords that begin in it, or else those that overlap with it."""
    loaded = zoo[name]
    live = og.live_activations(loaded, corpus(), sites="layers.1", aggregate=aggregate, bos=False)
    values, word_index = live.values(), 0
    for text, forms in zip(TEXTS, FORMS, strict=True):
        shown = text if name in ("gpt2", "roberta") else text[1:]
        read = loaded.tokenizer(
            shown, return_offsets_mapping=True, return_special_tokens_mask=True, return_tensors="pt"
        )
        states = loaded.model(
            input_ids=read["input_ids"], attention_mask=read["attention_mask"], output_hidden_states=True
        ).hidden_states[2][0]
        states = by_hook(loaded, read) if name in ("gpt2", "llama") else states
        spans = read["offset_mapping"][0].tolist()
        special = read["special_tokens_mask"][0].tolist()
        spans = [(-1, -1) if mark else span for span, mark in zip(spans, special, strict=True)]
        start = len(shown) - len(text.lstrip())
        ends = [0, start]
        for form in forms:
            standing = (start, start + len(form.text)) if form.text else ends
            ends = standing
            inside = chosen(spans, standing, shown, complete=not form.text)
            expected = {"last": states[inside[-1]], "first": states[inside[0]], "mean": states[inside].mean(0)}
            np.testing.assert_allclose(values[word_index], expected[aggregate].numpy(), rtol=1e-4, atol=1e-4)
            start, word_index = start + len(form.text) + form.space, word_index + 1


def by_hook(loaded, read) -> torch.Tensor:
    """Return the second block's output, because the last hidden state includes the final norm."""
    seen = []
    blocks = (
        loaded.model.transformer.h if loaded.model.config.model_type == "gpt2" else loaded.model.model.layers
    )
    hook = blocks[1].register_forward_hook(
        lambda module, inputs, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    loaded.model(input_ids=read["input_ids"], attention_mask=read["attention_mask"])
    hook.remove()
    return seen[0][0] if seen[0].dim() == 3 else seen[0]


def chosen(spans: list[tuple[int, int]], word: tuple[int, int], text: str, *, complete: bool) -> list[int]:
    trimmed = [(first + (text[first:last].startswith(" ")), last) for first, last in spans]
    begin = [n for n, (first, _) in enumerate(trimmed) if word[0] <= first < word[1]]
    if begin or complete:
        return begin
    return [n for n, (first, last) in enumerate(trimmed) if first < word[1] and last > word[0]]


def test_a_store_keeps_the_running_text(zoo, tmp_path):
    live = og.live_activations(zoo["gpt2"], corpus(), sites="layers.1")
    stored = og.extract(zoo["gpt2"], corpus(), tmp_path / "a.zarr", sites="layers.1")
    assert list(stored.corpus.texts()) == list(corpus().texts())
    assert stored.corpus.content_hash == corpus().content_hash == stored.provenance.corpus.content_hash
    np.testing.assert_array_equal(stored.values(), live.values())
    again = og.live_activations(zoo["gpt2"], stored.corpus, sites="layers.1")
    np.testing.assert_array_equal(again.values(), live.values())
    assert not np.allclose(
        og.live_activations(zoo["gpt2"], corpus().apart(), sites="layers.1").values(), live.values()
    )


@pytest.mark.parametrize("name", ZOO)
def test_every_word_has_a_value(zoo, name):
    loaded = zoo[name]
    site = "encoder.layers.1" if loaded.task == "translation" else "layers.1"
    assert og.live_activations(loaded, corpus(), sites=site).present.all()


def test_special_tokens_and_windows_leave_the_sharing_words_theirs(zoo):
    loaded = zoo["gpt2"]
    long = Corpus.from_sentences([10 * WORDS[1]], forms=[10 * FORMS[1]])
    bert = og.live_activations(zoo["bert"], long.head(1), sites="layers.1", special_tokens=True, long="window")
    assert bert.present.all()
    cut = og.live_activations(loaded, long, sites="layers.1", long="window").values()
    np.testing.assert_array_equal(cut[5], cut[4])  # both words of a form that is not theirs
    np.testing.assert_array_equal(cut[-1], cut[-2])


def test_the_perplexity_is_that_of_the_text(zoo):
    loaded = zoo["gpt2"]
    losses, tokens = loaded.sentence_losses(corpus())
    for text, loss, count in zip(TEXTS, losses, tokens, strict=True):
        ids = torch.tensor([[loaded.bos_id, *loaded.tokenizer(text)["input_ids"]]])
        with torch.no_grad():
            own_loss = loaded.model(input_ids=ids, labels=ids).loss
        assert loss / count == pytest.approx(float(own_loss), rel=1e-5)


def test_gradients_of_words_that_share_are_counted_once(zoo):
    live = og.live_activations(zoo["gpt2"], corpus(), sites="layers.0")
    ranking = og.rank("integrated-gradients", live)
    assert np.isfinite(ranking.scores).all()
