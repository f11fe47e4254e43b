"""Two continuations of a prompt, and the divergence from the untouched model, against naive computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.errors import CorpusError, ParameterError
from onegrain.interventions import Intervention, Where, editing
from onegrain.metrics import KLDivergence, LogProbabilityDifference, Perplexity
from onegrain.models import LoadedModel
from onegrain.models.divergence import exact_divergences
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form
from support.tiny import parallel_corpus, plain_corpus
from support.zoo import Zoo

EDIT = Intervention.of([f"layers.1:{unit}" for unit in range(6)])


def likelihood(loaded: LoadedModel, prompt: tuple[str, ...], words: list[str]) -> float:
    """The log-probability of words behind a prompt, one subword after the other."""
    start = [] if loaded.bos_id is None else [loaded.bos_id]
    row = loaded.encode([[*prompt, *words]])[0]
    places = [place for place, word in enumerate(row.word_of) if word >= len(prompt)]
    total = 0.0
    for place in places:
        ids = torch.tensor([start + row.ids[:place]])
        total += float(loaded.model(input_ids=ids).logits[0, -1].double().log_softmax(-1)[row.ids[place]])
    return total


@torch.no_grad()
@pytest.mark.parametrize("name", ["nlm", "gpt2", "llama"])
def test_two_continuations_equal_a_naive_loop(zoo: Zoo, models: dict[str, LoadedModel], name: str) -> None:
    loaded = models[name] if name in models else zoo[name]
    corpus = plain_corpus().select([0, 1, 2, 3, 4, 6])
    metric = LogProbabilityDifference(corpus, first="sleeps near the dog", second="sings")
    measurement = metric.measure(loaded, batch_size=5)
    expected = [
        likelihood(loaded, words, ["sleeps", "near", "the", "dog"]) - likelihood(loaded, words, ["sings"])
        for words in corpus.sentences()
    ]
    np.testing.assert_allclose(measurement.statistics[:, 0], expected, rtol=1e-4, atol=1e-5)
    assert measurement.value == pytest.approx(np.mean(expected), rel=1e-4)
    assert "first:sleeps near the dog|second:sings" in measurement.signature
    turned = LogProbabilityDifference(corpus, first="sings", second="sleeps near the dog").measure(loaded)
    assert turned.value == pytest.approx(-measurement.value, rel=1e-6)


def test_running_text_and_words_of_the_prompt_are_kept(zoo: Zoo) -> None:
    forms = [[Form("old", False), Form("er"), Form("dog")]]
    layers = {"pos": [["adj", "adj", "noun"]]}
    corpus = Corpus.from_sentences([["old", "er", "dog"]], layers, forms=forms)
    metric = LogProbabilityDifference(corpus, first="sleeps", second="sings")
    together = Corpus.from_sentences([["older", "dog"]])
    same = LogProbabilityDifference(together, first="sleeps", second="sings").measure(zoo["gpt2"])
    intact = metric.measure(zoo["gpt2"])
    assert intact.value == pytest.approx(same.value, rel=1e-5)
    neurons = [f"layers.0:{unit}" for unit in range(6)]
    with editing(zoo["gpt2"], Intervention.of(neurons, where=Where(words="pos=noun"))):
        edited = metric.measure(zoo["gpt2"])
    assert edited.value != pytest.approx(intact.value, rel=1e-4)


def test_refusals_of_continuations(models: dict[str, LoadedModel], zoo: Zoo) -> None:
    with pytest.raises(ParameterError, match="first must be the words of a continuation"):
        LogProbabilityDifference(plain_corpus(), first=" ", second="a")
    with pytest.raises(ParameterError, match="two different continuations"):
        LogProbabilityDifference(plain_corpus(), first="a b", second=" a  b ")
    with pytest.raises(ParameterError, match="no prompt"):
        LogProbabilityDifference(plain_corpus().head(0), first="a", second="b")
    metric = LogProbabilityDifference(parallel_corpus(), first="a", second="b")
    for kind in ("nmt", "bert"):
        with pytest.raises(ParameterError, match="does not continue a prompt"):
            metric.measure(models[kind])
    empty = LogProbabilityDifference(Corpus.from_sentences([[]]), first="a", second="b")
    with pytest.raises(CorpusError, match=r"sentence 0 .* no words before its continuation"):
        empty.measure(zoo["gpt2"].without_start_token())
    long = LogProbabilityDifference(Corpus.from_sentences([["dog"] * 64]), first="a", second="b")
    with pytest.raises(CorpusError, match="reads at most 64"):
        long.measure(zoo["gpt2"])


@torch.no_grad()
@pytest.mark.parametrize("name", ["nlm", "gpt2", "nmt"])
def test_divergence_equals_a_naive_loop(models: dict[str, LoadedModel], name: str) -> None:
    loaded, corpus = models[name], parallel_corpus()
    edit = Intervention.of([f"decoder.layers.1:{unit}" for unit in range(6)]) if name == "nmt" else EDIT
    metric = KLDivergence(corpus)
    with editing(loaded, edit):
        measurement = metric.measure(loaded, batch_size=3)
    expected = []
    for number in range(corpus.n_sentences):
        row = loaded.encode([corpus.sentence(number)])[0].ids
        inputs = {"input_ids": torch.tensor([row])}
        if name == "nmt":
            assert corpus.target is not None
            inputs["labels"] = torch.tensor([loaded.encode_labels([corpus.target.sentence(number)])[0].ids])
        before = loaded.model(**inputs).logits[0].double().log_softmax(-1)
        with editing(loaded, edit):
            after = loaded.model(**inputs).logits[0].double().log_softmax(-1)
        each = (before.exp() * (before - after)).sum(-1)
        each = each if name == "nmt" else each[:-1]
        expected.append([float(each.sum()), len(each)])
    np.testing.assert_allclose(measurement.statistics, expected, rtol=1e-4, atol=1e-7)
    counts = Perplexity(corpus).measure(loaded).statistics[:, 1]
    assert measurement.statistics[:, 1].tolist() == counts.tolist()
    assert measurement.value > 1e-4
    assert measurement.low < measurement.value < measurement.high


def test_the_untouched_model_does_not_diverge(models: dict[str, LoadedModel]) -> None:
    measurement = KLDivergence(plain_corpus()).measure(models["gpt2"])
    assert (measurement.value, measurement.low, measurement.high) == (0.0, 0.0, 0.0)
    zeros = Intervention.of("layers.1:3", edit="add(value=0.0)")
    with editing(models["gpt2"], zeros):
        assert KLDivergence(plain_corpus()).measure(models["gpt2"]).value == 0.0


def test_divergence_by_hand() -> None:
    untouched = torch.log(torch.tensor([[[0.5, 0.5]], [[0.5, 0.5]], [[1.0, 0.0]]]))
    edited = torch.log(torch.tensor([[[0.25, 0.75]], [[0.5, 0.5]], [[0.5, 0.5]]]))
    divergences = exact_divergences(untouched, edited)
    expected = [0.5 * np.log(2) + 0.5 * np.log(2 / 3), 0.0, np.log(2)]
    np.testing.assert_allclose(divergences[:, 0], expected, atol=1e-7)


def test_refusals_of_divergence(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match="no sentence"):
        KLDivergence(plain_corpus().head(0))
    with pytest.raises(ParameterError, match="neither a language model"):
        KLDivergence(plain_corpus()).measure(models["bert"])
    with pytest.raises(ParameterError, match="no parallel side"):
        KLDivergence(plain_corpus()).measure(models["nmt"])
    with pytest.raises(ParameterError, match="no subword"):
        KLDivergence(plain_corpus()).measurement(np.zeros((3, 2)))
