from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from onegrain.errors import ParameterError
from onegrain.metrics import Perplexity, unigram_perplexity
from onegrain.models import LoadedModel, load_model
from support.tiny import parallel_corpus, plain_corpus, tiny_bert, tiny_gpt2, tiny_nlm, tiny_nmt

MAKERS = {"nlm": tiny_nlm, "gpt2": tiny_gpt2, "nmt": tiny_nmt, "bert": tiny_bert}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    root = tmp_path_factory.mktemp("models")
    return {kind: load_model(make(root / kind), device="cpu") for kind, make in MAKERS.items()}


@torch.no_grad()
def test_it_equals_the_models_own_loss(models: dict[str, LoadedModel]) -> None:
    """Reference: the loss that transformers itself computes for a batch of sentences."""
    loaded = models["gpt2"]
    inputs = loaded.batch([encoded.ids for encoded in loaded.encode(list(plain_corpus().sentences()))])
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    expected = math.exp(float(loaded.model(**inputs, labels=labels).loss))
    assert Perplexity(plain_corpus()).measure(loaded).value == pytest.approx(expected, rel=1e-5)


def test_a_uniform_model_has_the_vocabularys_size(models: dict[str, LoadedModel], tmp_path: Path) -> None:
    loaded = load_model(tiny_nlm(tmp_path / "nlm"), device="cpu")
    with torch.no_grad():
        loaded.model.embeddings.weight.zero_()
    measurement = Perplexity(plain_corpus()).measure(loaded)
    size = loaded.model.config.vocab_size
    assert [measurement.value, measurement.low, measurement.high] == pytest.approx([size] * 3, rel=1e-5)


@pytest.mark.parametrize("kind", ["nlm", "gpt2", "nmt"])
def test_batches_and_order_do_not_matter(models: dict[str, LoadedModel], kind: str) -> None:
    corpus = parallel_corpus()
    unbatched = Perplexity(corpus).measure(models[kind])
    singly = Perplexity(corpus.select(range(8)[::-1])).measure(models[kind], batch_size=1)
    assert unbatched.value == pytest.approx(singly.value, rel=1e-5)
    np.testing.assert_allclose(unbatched.statistics, singly.statistics[::-1], rtol=1e-5)


def test_the_statistics_give_value_and_interval_again(models: dict[str, LoadedModel]) -> None:
    measurement = Perplexity(plain_corpus()).measure(models["nlm"])
    nll, subwords = measurement.statistics.T
    assert measurement.columns == ("nll", "subwords")
    assert measurement.n_sentences == 8
    assert measurement.value == pytest.approx(math.exp(nll.sum() / subwords.sum()), rel=1e-12)
    assert measurement.low < measurement.value < measurement.high
    rng = np.random.default_rng(5)
    draws = [rng.integers(0, 8, 8) for _ in range(4000)]
    means = [nll[draw].sum() / subwords[draw].sum() for draw in draws]
    np.testing.assert_allclose(
        [measurement.low, measurement.high], np.exp(np.quantile(means, [0.025, 0.975])), rtol=0.02
    )
    assert measurement.signature.startswith("perplexity|")


def test_a_loss_that_is_not_finite_makes_the_value_nan() -> None:
    corpus = plain_corpus().head(2)
    measurement = Perplexity(corpus).measurement(np.array([[1.0, 2], [math.nan, 3]]))
    assert np.isnan([measurement.value, measurement.low, measurement.high]).all()
    assert np.isnan(measurement.statistics).sum() == 1


def test_a_loss_beyond_exp_is_infinite() -> None:
    measurement = Perplexity(plain_corpus().head(2)).measurement(np.array([[9000.0, 3], [9000.0, 3]]))
    assert measurement.value == math.inf


def test_refusals(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="no sentence"):
        Perplexity(plain_corpus().head(0))
    with pytest.raises(ParameterError, match="neither a language model"):
        Perplexity(plain_corpus()).measure(models["bert"])
    with pytest.raises(ParameterError, match="no parallel side"):
        Perplexity(plain_corpus()).measure(models["nmt"])
    with pytest.raises(ParameterError, match="predicted"):
        Perplexity(plain_corpus().head(1)).measurement(np.zeros((1, 2)))


@pytest.mark.parametrize("kind", ["nlm", "gpt2", "nmt"])
def test_unigrams_predict_the_same_subwords_as_the_model(models: dict[str, LoadedModel], kind: str) -> None:
    loaded = models[kind]
    corpus = parallel_corpus()
    _, tokens = loaded.sentence_losses(corpus)
    unigram = unigram_perplexity(loaded, corpus, corpus)
    assert unigram.statistics[:, 1].tolist() == tokens.tolist()


def test_unigrams_predict_the_same_subwords_where_a_start_is_put(tmp_path: Path) -> None:
    loaded = load_model(tiny_gpt2(tmp_path / "gpt2"), device="cpu")
    loaded.tokenizer.backend_tokenizer.post_processor = None
    _, tokens = loaded.sentence_losses(plain_corpus())
    unigram = unigram_perplexity(loaded, plain_corpus(), plain_corpus())
    assert unigram.statistics[:, 1].tolist() == tokens.tolist()


def test_unigrams_predict_the_same_subwords_where_no_start_is_read(tmp_path: Path) -> None:
    loaded = load_model(tiny_gpt2(tmp_path / "gpt2"), device="cpu")
    loaded.tokenizer.backend_tokenizer.post_processor = None
    bare = loaded.without_start_token()
    corpus = plain_corpus()
    _, tokens = bare.sentence_losses(corpus)
    unigram = unigram_perplexity(bare, corpus, corpus)
    assert unigram.statistics[:, 1].tolist() == tokens.tolist()
    with_start = unigram_perplexity(loaded, corpus, corpus)
    assert (with_start.statistics[:, 1] - unigram.statistics[:, 1]).tolist() == [1] * corpus.n_sentences
    counts = Counter(subword for row in bare.encode(list(corpus.sentences())) for subword in row.ids[1:])
    total = counts.total() + len(loaded.tokenizer)
    nll = sum(-count * math.log((count + 1) / total) for count in counts.values())
    assert unigram.value == pytest.approx(math.exp(nll / counts.total()))


def test_unigrams_equal_a_naive_loop(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]
    train, valid = plain_corpus().head(5), plain_corpus().select([5, 6, 7])
    counts = Counter(
        subword for sentence in train.sentences() for subword in loaded.encode([sentence])[0].ids[1:]
    )
    total = counts.total() + 0.5 * len(loaded.tokenizer)
    surprise = [
        -math.log((counts[subword] + 0.5) / total)
        for sentence in valid.sentences()
        for subword in loaded.encode([sentence])[0].ids[1:]
    ]
    expected = math.exp(sum(surprise) / len(surprise))
    assert unigram_perplexity(loaded, train, valid, add=0.5).value == pytest.approx(expected)


def test_unigrams_of_nothing_are_uniform(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]
    unigram = unigram_perplexity(loaded, plain_corpus().head(0), plain_corpus())
    assert unigram.value == pytest.approx(len(loaded.tokenizer))


def test_unigrams_without_a_count_beforehand_are_refused(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="above 0"):
        unigram_perplexity(models["nlm"], plain_corpus(), plain_corpus(), add=0.0)
    with pytest.raises(ParameterError, match="no parallel side"):
        unigram_perplexity(models["nmt"], plain_corpus(), plain_corpus())
