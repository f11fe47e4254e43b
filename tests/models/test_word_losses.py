"""Losses of words: each is the sum of the losses of its own subwords, and of no others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.errors import ParameterError
from onegrain.models import LoadedModel
from onegrain.models.word_losses import WordLosses
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus, plain_corpus
from support.zoo import Zoo


def by_hand(logits: torch.Tensor, labels: list[int], word_of: list[int], words: int) -> np.ndarray:
    """The summed losses of each word's subwords, one subword after the other."""
    losses = -torch.log_softmax(logits.double(), dim=-1)
    sums = np.zeros(words)
    for place, (label, word) in enumerate(zip(labels, word_of, strict=True)):
        if word >= 0:
            sums[word] += float(losses[place, label])
    return sums


@torch.no_grad()
def test_a_language_model_gives_each_word_the_losses_of_its_subwords(models: dict[str, LoadedModel]) -> None:
    corpus = plain_corpus()
    for name in ("nlm", "gpt2"):
        model = models[name]
        measured = model.word_losses(corpus, batch_size=3)
        assert measured.corpus is corpus
        assert measured.predicted.all()
        for number in (0, 3, 4):
            row = model.encode([corpus.sentence(number)])[0]
            start = [] if model.bos_id is None else [model.bos_id]
            ids, word_of = [*start, *row.ids], [*([-1] * len(start)), *row.word_of]
            logits = model.forward([ids]).logits[0, :-1]
            expected = by_hand(logits, ids[1:], word_of[1:], len(corpus.sentence(number)))
            span = slice(corpus.offsets[number], corpus.offsets[number + 1])
            np.testing.assert_allclose(measured.nll[span], expected, rtol=1e-5)


@torch.no_grad()
def test_a_translation_model_predicts_the_words_of_the_target(models: dict[str, LoadedModel]) -> None:
    model, corpus = models["nmt"], parallel_corpus()
    assert corpus.target is not None
    measured = model.word_losses(corpus, batch_size=4)
    assert measured.corpus is corpus.target
    for number in (0, 5):
        source = model.encode([corpus.sentence(number)])[0].ids
        target = model.encode_labels([corpus.target.sentence(number)])[0]
        logits = model.model(**model.batch([source]), labels=torch.tensor([target.ids])).logits[0]
        expected = by_hand(logits, target.ids, target.word_of, len(corpus.target.sentence(number)))
        span = slice(corpus.target.offsets[number], corpus.target.offsets[number + 1])
        np.testing.assert_allclose(measured.nll[span], expected, rtol=1e-5)
    with pytest.raises(ParameterError, match="no parallel side"):
        model.word_losses(plain_corpus())


def per_sentence(measured: WordLosses) -> np.ndarray:
    return np.add.reduceat(measured.nll, measured.corpus.offsets[:-1])


def test_the_words_of_a_sentence_have_its_loss_together(models: dict[str, LoadedModel]) -> None:
    """Nothing but words is predicted by the language model, so the sums are those of the sentences."""
    corpus = plain_corpus()
    model = models["gpt2"]
    measured, (losses, _) = model.word_losses(corpus), model.sentence_losses(corpus)
    assert (per_sentence(measured) <= losses * (1 + 1e-9)).all()
    last = [row.word_of[-1] for row in model.encode(list(corpus.sentences()))]
    if all(word >= 0 for word in last):
        np.testing.assert_allclose(per_sentence(measured), losses, rtol=1e-9)


def test_a_word_that_is_read_without_a_start_token_is_not_predicted(zoo: Zoo) -> None:
    model = next(zoo[name] for name in ("gpt2", "gpt_neox", "qwen2") if zoo[name].bos_id is not None)
    corpus = plain_corpus()
    measured = model.without_start_token().word_losses(corpus)
    assert not measured.predicted[corpus.offsets[:-1]].any()
    assert (measured.nll[corpus.offsets[:-1]] == 0.0).all()
    assert measured.predicted.sum() == corpus.n_words - corpus.n_sentences


def test_a_word_without_a_subword_is_not_predicted(models: dict[str, LoadedModel]) -> None:
    corpus = Corpus.from_sentences([["the", "", "dog"]])
    assert models["nlm"].word_losses(corpus).predicted.tolist() == [True, False, True]
