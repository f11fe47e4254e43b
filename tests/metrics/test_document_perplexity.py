"""Perplexity over documents: the value that plain transformers code gives, windows, documents, refusals."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from onegrain.core.bootstrap import bootstrap_ratios
from onegrain.corpora import read_corpus
from onegrain.errors import ParameterError
from onegrain.interventions import Intervention, Where, editing
from onegrain.metrics import DocumentPerplexity, Perplexity
from onegrain.models import LoadedModel, load_model
from onegrain.models.texts import encode_documents
from onegrain.records.corpus import Corpus
from onegrain.records.documents import document_corpus, documents_of
from support.tiny import SENTENCES, parallel_corpus
from support.zoo import Zoo

TEXT = "\n = Birds = \n \n" + " \n".join(f" {line}" for line in [*SENTENCES, *SENTENCES[::-1]]) + " \n \n end"


@pytest.fixture
def running_text(tmp_path: Path) -> Corpus:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return read_corpus(tmp_path / "text.txt", format="text")


@torch.no_grad()
def plain_transformers(loaded: LoadedModel, text: str, window: int, stride: int) -> tuple[float, int]:
    """The loop of transformers' guide, the context-only subwords masked out: nll and predicted subwords."""
    ids = torch.tensor([loaded.tokenizer(text)["input_ids"]])
    total, count, previous = 0.0, 0, 0
    for begin in range(0, ids.shape[1], stride):
        end = min(begin + window, ids.shape[1])
        labels = ids[:, begin:end].clone()
        labels[:, : previous - begin] = -100
        wanted = int((labels[:, 1:] != -100).sum())
        if wanted:
            loss = loaded.model(input_ids=ids[:, begin:end], labels=labels).loss
            total, count = total + float(loss) * wanted, count + wanted
        previous = end
        if end == ids.shape[1]:
            break
    return total, count


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize(("window", "stride"), [(64, 32), (64, 64), (17, 5), (30, 1)])
def test_it_is_the_value_of_plain_transformers_code(
    zoo: Zoo, running_text: Corpus, name: str, window: int, stride: int
) -> None:
    loaded = zoo[name]
    metric = DocumentPerplexity(running_text, window=window, stride=stride)
    measurement = metric.measure(loaded)
    nll, subwords = plain_transformers(loaded, TEXT, window, stride)
    assert measurement.statistics[:, 1].sum() == subwords
    assert measurement.value == pytest.approx(math.exp(nll / subwords), rel=1e-5)
    assert measurement.signature.endswith(f"|window:{window}|stride:{stride}|units:windows")
    assert not metric.higher_is_better


def test_the_default_window_is_the_longest_row_and_the_default_stride_half_of_it(
    zoo: Zoo, running_text: Corpus, models: dict[str, LoadedModel]
) -> None:
    default = DocumentPerplexity(running_text).measure(zoo["gpt2"])
    stated = DocumentPerplexity(running_text, window=64, stride=32).measure(zoo["gpt2"], batch_size=1)
    np.testing.assert_allclose(default.statistics, stated.statistics, rtol=1e-5)
    unlimited = DocumentPerplexity(running_text).measure(models["nlm"])
    assert "window:1024|stride:512" in unlimited.signature
    assert unlimited.n_sentences == 1


def test_every_subword_but_the_first_is_predicted_once(zoo: Zoo, running_text: Corpus) -> None:
    (row,) = encode_documents(zoo["gpt2"], running_text, "\n")
    for window, stride in ((64, 32), (10, 3), (50, 49)):
        counts = DocumentPerplexity(running_text, window=window, stride=stride).measure(zoo["gpt2"])
        assert counts.statistics[:, 1].sum() == len(row.ids) - 1


def test_documents_are_read_apart_and_are_the_units_of_the_bootstrap(zoo: Zoo) -> None:
    sentences = [line.split() for line in SENTENCES]
    corpus = Corpus.from_sentences(sentences, document_of=[0, 0, 0, 1, 1, 2, 2, 2])
    measurement = DocumentPerplexity(corpus, window=20, stride=10).measure(zoo["gpt2"])
    apart = [
        plain_transformers(zoo["gpt2"], "\n".join(SENTENCES[start:stop]), 20, 10)
        for start, stop in ((0, 3), (3, 5), (5, 8))
    ]
    np.testing.assert_allclose(measurement.statistics, apart, rtol=1e-5)
    draws = np.exp(bootstrap_ratios(measurement.statistics[:, 0], measurement.statistics[:, 1]))
    np.testing.assert_allclose(measurement.draws, draws)
    assert measurement.low < measurement.value < measurement.high
    assert "units:documents" in measurement.signature


def test_one_document_is_drawn_by_windows(zoo: Zoo, running_text: Corpus) -> None:
    measurement = DocumentPerplexity(running_text, window=20).measure(zoo["gpt2"])
    assert measurement.n_sentences > 10
    assert measurement.low < measurement.value < measurement.high


def test_the_separator_stands_between_sentences(zoo: Zoo) -> None:
    corpus = Corpus.from_sentences([line.split() for line in SENTENCES])
    nll, subwords = plain_transformers(zoo["gpt2"], " ".join(SENTENCES), 64, 32)
    measurement = DocumentPerplexity(corpus, separator=" ").measure(zoo["gpt2"])
    assert measurement.value == pytest.approx(math.exp(nll / subwords), rel=1e-5)
    assert measurement.value != DocumentPerplexity(corpus).measure(zoo["gpt2"]).value


def test_subwords_know_their_words(zoo: Zoo, running_text: Corpus) -> None:
    for name in ("gpt2", "llama"):
        (row,) = encode_documents(zoo[name], running_text, "\n")
        (words,) = document_corpus(running_text).sentences()
        spelled: dict[int, list[int]] = {}
        for subword, word in zip(row.ids, row.word_of, strict=True):
            spelled.setdefault(word, []).append(subword)
        spelled.pop(-1, None)
        assert list(spelled) == list(range(len(words)))
        for word, ids in spelled.items():
            assert zoo[name].tokenizer.decode(ids).strip() == words[word]


def test_an_edit_at_labelled_words_reaches_documents(zoo: Zoo) -> None:
    sentences = [line.split() for line in SENTENCES]
    sizes = [["short" if len(word) < 4 else "long" for word in words] for words in sentences]
    corpus = Corpus.from_sentences(sentences, {"size": sizes}, document_of=[0] * 4 + [1] * 4)
    metric = DocumentPerplexity(corpus, window=16)
    values = [metric.measure(zoo["gpt2"]).value]
    for words in ("size=short", "size=long", None):
        where = Where() if words is None else Where(words=words)
        with editing(zoo["gpt2"], Intervention.of([f"layers.0:{unit}" for unit in range(8)], where=where)):
            values.append(metric.measure(zoo["gpt2"]).value)
    assert len(set(values)) == 4


def test_windows_have_no_pairs(zoo: Zoo, running_text: Corpus) -> None:
    intervention = Intervention.of("layers.0:1", edit="interchange")
    with (
        pytest.raises(ParameterError, match="reads documents in windows"),
        editing(zoo["gpt2"], intervention, pairs=Corpus.from_sentences([["a"]])),
    ):
        DocumentPerplexity(running_text).measure(zoo["gpt2"])


def test_refusals(zoo: Zoo, running_text: Corpus, models: dict[str, LoadedModel]) -> None:
    with pytest.raises(ParameterError, match=r"a window of 65 .* at most 64; give window=64"):
        DocumentPerplexity(running_text, window=65).measure(zoo["gpt2"])
    with pytest.raises(ParameterError, match="stride must be a whole number from 1 to 64, got 70"):
        DocumentPerplexity(running_text, stride=70).measure(zoo["gpt2"])
    with pytest.raises(ParameterError, match="stride must be a whole number from 1 to 8"):
        DocumentPerplexity(running_text, window=8, stride=9)
    with pytest.raises(ParameterError, match="window must be a whole number from 2"):
        DocumentPerplexity(running_text, window=1)
    with pytest.raises(ParameterError, match="no sentence"):
        DocumentPerplexity(running_text.head(0))
    with pytest.raises(ParameterError, match="separator must be text"):
        DocumentPerplexity(running_text, separator=None)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="is a translation model"):
        DocumentPerplexity(parallel_corpus()).measure(models["nmt"])
    with pytest.raises(ParameterError, match="is an encoder"):
        DocumentPerplexity(running_text).measure(models["bert"])
    with pytest.raises(ParameterError, match=r"no subword of .* is predicted"):
        Perplexity(running_text).measurement(np.zeros((1, 2)))


def test_the_text_of_a_file_is_kept(running_text: Corpus) -> None:
    (document,) = documents_of(running_text)
    assert document.text == TEXT.rstrip()
    assert [document.text[a:b].strip() for a, b in zip(document.starts, document.ends, strict=True)] == list(
        running_text.words
    )


@pytest.mark.slow
def test_smollm2_on_wikitext(data_root: Path, tmp_path: Path) -> None:
    """The value of plain transformers code on the beginning of WikiText-2, white space and all."""
    models = os.environ.get("ONEGRAIN_MODELS")
    if models is None or not (Path(models) / "smollm2").is_dir():
        pytest.skip("ONEGRAIN_MODELS names no folder with smollm2")
    text = (data_root / "wikitext-2" / "test.txt").read_text(encoding="utf-8")[:8000].rstrip()
    (tmp_path / "wikitext.txt").write_text(text, encoding="utf-8")
    loaded = load_model(Path(models) / "smollm2", device="cpu")
    nll, subwords = plain_transformers(loaded, text, 512, 256)
    corpus = read_corpus(tmp_path / "wikitext.txt", format="text")
    measurement = DocumentPerplexity(corpus, window=512, stride=256).measure(loaded, batch_size=4)
    assert measurement.statistics[:, 1].sum() == subwords
    assert measurement.value == pytest.approx(math.exp(nll / subwords), rel=1e-5)
