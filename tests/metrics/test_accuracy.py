"""Accuracy of classifiers of sentences and of words against a naive loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from onegrain.errors import CorpusError, LabelError, ModelError, ParameterError
from onegrain.interventions import Intervention, editing
from onegrain.metrics import Accuracy
from onegrain.models import LoadedModel, load_model
from onegrain.records.corpus import Corpus, LabelLayer
from support.headed import CLASSES, save_headed
from support.tiny import SENTENCES, parallel_corpus

WORDS = [line.split() for line in SENTENCES]
SENTENCE_LABELS = ["cold", "warm", "2", None, "mild", "0", "warm", "1"]
NUMBERS = {"cold": 0, "mild": 1, "warm": 2, "0": 0, "1": 1, "2": 2}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("classifiers")
    names = ("bert-sentences", "roberta-sentences", "gpt2-sentences", "bert-words")
    return {name: save_headed(name, root / name) for name in names}


def of_sentences() -> Corpus:
    corpus = Corpus.from_sentences(WORDS, source="labelled")
    return corpus.with_layer(LabelLayer.of_sentences("label", SENTENCE_LABELS, corpus.offsets))


def of_words() -> Corpus:
    labels = [[(None, *CLASSES)[len(word) % 4] for word in words] for words in WORDS]
    return Corpus.from_sentences(WORDS, {"label": labels}, source="labelled")


@torch.no_grad()
@pytest.mark.parametrize("name", ["bert-sentences", "roberta-sentences", "gpt2-sentences"])
def test_sentences(folders: dict[str, Path], name: str) -> None:
    loaded = load_model(folders[name], device="cpu")
    reference = AutoModelForSequenceClassification.from_pretrained(folders[name]).eval()
    correct = []
    for words, label in zip(WORDS, SENTENCE_LABELS, strict=True):
        ids = torch.tensor([loaded.encode([words])[0].ids])
        predicted = int(reference(input_ids=ids).logits[0].argmax())
        correct.append((label is not None and predicted == NUMBERS[label], label is not None))
    measurement = Accuracy(of_sentences()).measure(loaded, batch_size=3)
    assert measurement.statistics.astype(bool).tolist() == [list(row) for row in correct]
    assert measurement.value == pytest.approx(sum(right for right, _ in correct) / 7)
    assert measurement.columns == ("correct", "labelled")
    assert measurement.signature == "accuracy|layer:label|classifier of sentences"


@torch.no_grad()
def test_words_are_classified_at_their_first_subword(folders: dict[str, Path]) -> None:
    corpus = of_words()
    loaded = load_model(folders["bert-words"], device="cpu")
    reference = AutoModelForTokenClassification.from_pretrained(folders["bert-words"]).eval()
    expected = []
    for number, words in enumerate(WORDS):
        row = loaded.encode([words])[0]
        classes = reference(input_ids=torch.tensor([row.ids])).logits[0].argmax(-1)
        labels = corpus.layer("label").labels()[corpus.offsets[number] : corpus.offsets[number + 1]]
        right = [
            int(classes[row.word_of.index(word)]) == CLASSES.index(label)
            for word, label in enumerate(labels)
            if label is not None
        ]
        expected.append([sum(right), len(right)])
    measurement = Accuracy(corpus).measure(loaded)
    assert measurement.statistics.tolist() == expected
    assert measurement.low < measurement.value < measurement.high


def test_a_class_that_is_always_predicted_is_counted_by_hand(folders: dict[str, Path]) -> None:
    """Planted: without weights the bias decides, so that the accuracy is the share of one label."""
    loaded = load_model(folders["bert-sentences"], device="cpu")
    head = loaded.head("classifier of sentences").network
    with torch.no_grad():
        head.classifier.weight.zero_()
        head.classifier.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    assert Accuracy(of_sentences()).measure(loaded).value == pytest.approx(3 / 7)
    with torch.no_grad():
        head.classifier.bias.fill_(torch.nan)
    assert np.isnan(Accuracy(of_sentences()).measure(loaded).value)


def test_edits_reach_the_classifier(folders: dict[str, Path]) -> None:
    loaded = load_model(folders["bert-words"], device="cpu")
    metric = Accuracy(of_words())
    intact = metric.measure(loaded)
    with editing(loaded, Intervention.of([f"layers.1:{unit}" for unit in range(16)])):
        edited = metric.measure(loaded)
    assert edited.value != intact.value
    assert metric.measure(loaded).value == intact.value


def test_refusals(folders: dict[str, Path], models: dict[str, LoadedModel], tmp_path: Path) -> None:
    sentences = load_model(folders["bert-sentences"], device="cpu")
    with pytest.raises(LabelError, match="no label layer 'label'"):
        Accuracy(Corpus.from_sentences(WORDS))
    with pytest.raises(ParameterError, match="no sentence"):
        Accuracy(of_sentences().head(0))
    with pytest.raises(
        LabelError, match=r"label 'hot' of layer 'label' is not a class of .*: cold, mild, warm"
    ):
        Accuracy(Corpus.from_sentences([["a"]], {"label": [["hot"]]})).measure(sentences)
    with pytest.raises(CorpusError, match=r"sentence 0 .* different labels"):
        Accuracy(of_words()).measure(sentences)
    with pytest.raises(CorpusError, match="no sentence is labelled"):
        Accuracy(Corpus.from_sentences([["a"]], {"label": [[None]]})).measure(sentences)
    with pytest.raises(ParameterError, match="is a language model"):
        Accuracy(of_sentences()).measure(models["gpt2"])
    with pytest.raises(ParameterError, match="is a translation model"):
        Accuracy(parallel_corpus(), layer="length").measure(models["nmt"])
    with pytest.raises(ModelError, match="is not a classifier of sentences: its checkpoint lacks"):
        Accuracy(of_sentences()).measure(models["bert"])
    several = save_headed("bert-sentences", tmp_path / "m", problem_type="multi_label_classification")
    with pytest.raises(ParameterError, match="problem type multi_label_classification"):
        Accuracy(of_sentences()).measure(load_model(several, device="cpu"))
