"""Minimal pairs: log-likelihoods against naive ones, for three kinds of models, and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onegrain.corpora import read_corpus
from onegrain.errors import CorpusError, ParameterError
from onegrain.interventions import Intervention, Where, editing
from onegrain.metrics import MinimalPairDifference, MinimalPairs, Perplexity, PseudoPerplexity
from onegrain.models import LoadedModel, load_model
from onegrain.records.corpus import Corpus
from onegrain.synthetic import sandbox_pairs
from support.headed import save_headed
from support.zoo import Zoo

BLIMP = """\
{"sentence_good": "Anna does like cold soup.", "sentence_bad": "Anna do like cold soup.", "UID": "agreement"}
{"sentence_good": "The birds sing.", "sentence_bad": "The birds sings.", "UID": "agreement", "pairID": "1"}
{"sentence_good": "Two small dogs can't run!", "sentence_bad": "Two small dog can't run!", "UID": "agreement"}
"""


@pytest.fixture
def blimp(tmp_path: Path) -> Corpus:
    (tmp_path / "pairs.jsonl").write_text(BLIMP)
    return read_corpus(tmp_path / "pairs.jsonl")


@torch.no_grad()
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_language_models_compare_whole_sentences(zoo: Zoo, blimp: Corpus, name: str) -> None:
    loaded = zoo[name]
    likelihoods = []
    for text in blimp.texts():
        start = [] if loaded.bos_id is None else [loaded.bos_id]
        ids = torch.tensor([start + loaded.tokenizer(text)["input_ids"]])
        log_p = loaded.model(input_ids=ids).logits[0].double().log_softmax(-1)
        likelihoods.append(float(log_p[:-1].gather(1, ids[0, 1:, None]).sum()))
    difference = np.array(likelihoods[::2]) - np.array(likelihoods[1::2])
    share, mean = MinimalPairs(blimp).measure(loaded), MinimalPairDifference(blimp).measure(loaded)
    np.testing.assert_allclose(share.statistics[:, 1], difference, rtol=1e-4, atol=1e-5)
    assert share.columns == ("preferred", "difference", "pairs")
    assert share.statistics[:, 0].tolist() == (difference > 0).astype(float).tolist()
    assert share.value == pytest.approx((difference > 0).mean())
    assert mean.value == pytest.approx(difference.mean(), rel=1e-4)
    assert share.n_sentences == 3
    assert share.signature != mean.signature


def test_translation_models_compare_translations_of_one_source(models: dict[str, LoadedModel]) -> None:
    corpus = sandbox_pairs(6, parallel="fr")
    losses = Perplexity(corpus).measure(models["nmt"]).statistics[:, 0]
    measured = MinimalPairDifference(corpus).measure(models["nmt"])
    np.testing.assert_allclose(measured.statistics[:, 1], losses[1::2] - losses[::2], rtol=1e-4, atol=1e-6)


def test_masked_models_compare_pseudo_likelihoods(tmp_path: Path, blimp: Corpus) -> None:
    loaded = load_model(save_headed("bert-masked", tmp_path / "bert"), device="cpu")
    losses = PseudoPerplexity(blimp).measure(loaded).statistics[:, 0]
    measured = MinimalPairDifference(blimp).measure(loaded)
    np.testing.assert_allclose(measured.statistics[:, 1], losses[1::2] - losses[::2], rtol=1e-4, atol=1e-6)
    assert MinimalPairs(blimp).measure(loaded).value == (losses[1::2] > losses[::2]).mean()


def test_edits_change_the_difference(models: dict[str, LoadedModel]) -> None:
    metric = MinimalPairDifference(sandbox_pairs(6))
    intact = metric.measure(models["nlm"])
    with editing(models["nlm"], Intervention.of([f"layers.1:{unit}" for unit in range(8)])):
        edited = metric.measure(models["nlm"])
    assert edited.value != pytest.approx(intact.value, rel=1e-3)
    assert intact.low < intact.value < intact.high


def test_equal_likelihoods_are_not_preferred_and_nan_stays_nan() -> None:
    metric = MinimalPairs(sandbox_pairs(4))
    assert metric.measurement(np.array([[-2.0, -3], [-2, -2], [-4, -3], [-1, -3]])).value == 0.5
    assert np.isnan(metric.measurement(np.array([[np.nan, -3.0], [-1, -3]])).value)


def pairs(sentences: list[list[str]], labels: list[str], target: Corpus | None = None) -> Corpus:
    layers = {"acceptability": [[label] * len(s) for label, s in zip(labels, sentences, strict=True)]}
    return Corpus.from_sentences(sentences, layers, target=target)


def test_refusals(zoo: Zoo, models: dict[str, LoadedModel], blimp: Corpus) -> None:
    two = [["a", "b"], ["a", "c"]]
    with pytest.raises(CorpusError, match="lacks the layer 'acceptability'"):
        MinimalPairs(Corpus.from_sentences(two))
    with pytest.raises(CorpusError, match=r"sentence 0 .* must be the good one"):
        MinimalPairs(pairs(two, ["bad", "good"]))
    with pytest.raises(CorpusError, match="1 sentences are not pairs"):
        MinimalPairs(blimp.head(1))
    with pytest.raises(CorpusError, match=r"sentences of pair 1 .* are equal: 'd e'"):
        MinimalPairs(pairs([*two, ["d", "e"], ["d", "e"]], ["good", "bad"] * 2))
    mixed = Corpus.from_sentences(
        two,
        {"acceptability": [["good"] * 2, ["bad"] * 2], "paradigm": [["number"] * 2, ["tense"] * 2]},
    )
    with pytest.raises(CorpusError, match="pairs of different paradigms, 'number' and 'tense'"):
        MinimalPairs(mixed)
    with pytest.raises(ParameterError, match="no parallel side"):
        MinimalPairs(blimp).measure(models["nmt"])
    with pytest.raises(CorpusError, match=r"pair 0 .* are equal on the side"):
        MinimalPairs(sandbox_pairs(3, parallel="fr")).measure(zoo["gpt2"])
    same = Corpus.from_sentences([["a"], ["a"]])
    with pytest.raises(CorpusError, match=r"pair 0 .* are equal on the side"):
        MinimalPairs(pairs(two, ["good", "bad"], same)).measure(models["nmt"])


def test_words_apart_by_spaces_have_the_subwords_of_perplexity(models: dict[str, LoadedModel]) -> None:
    corpus = sandbox_pairs(5, "tense")
    losses = Perplexity(corpus).measure(models["nlm"]).statistics[:, 0]
    measured = MinimalPairDifference(corpus).measure(models["nlm"])
    np.testing.assert_allclose(measured.statistics[:, 1], losses[1::2] - losses[::2], rtol=1e-4, atol=1e-6)


def test_an_edit_at_labelled_words_reaches_pairs(zoo: Zoo) -> None:
    corpus = sandbox_pairs(4)
    metric = MinimalPairDifference(corpus)
    values = [metric.measure(zoo["gpt2"]).value]
    for words in ("upos=VERB", "upos=NOUN"):
        where = Where(words=words)
        with editing(zoo["gpt2"], Intervention.of([f"layers.0:{unit}" for unit in range(8)], where=where)):
            values.append(metric.measure(zoo["gpt2"]).value)
    assert len(set(values)) == 3


def test_slow_tokenizers_encode_words(zoo: Zoo, blimp: Corpus) -> None:
    class Slow:
        """A tokenizer that hides where its subwords lie."""

        is_fast = False

        def __getattr__(self, name: str) -> Any:
            return getattr(zoo["gpt2"].tokenizer, name)

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            assert not options.get("return_offsets_mapping")
            return zoo["gpt2"].tokenizer(*arguments, **options)

    slow = replace(zoo["gpt2"], tokenizer=Slow())
    losses = Perplexity(blimp.apart()).measure(slow).statistics[:, 0]
    measured = MinimalPairDifference(blimp.apart()).measure(slow)
    np.testing.assert_allclose(measured.statistics[:, 1], losses[1::2] - losses[::2], rtol=1e-4, atol=1e-6)
