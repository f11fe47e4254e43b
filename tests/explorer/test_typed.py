"""Activations of typed texts: they equal those of the store, and errors say what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onegrain.activations.extraction.extract import extract
from onegrain.errors import CorpusError, MismatchError, ModelError, ParameterError
from onegrain.explorer.collecting import collect
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.settings import Settings
from onegrain.explorer.state import Explorer
from onegrain.explorer.typed import activations_of_text, reads_translations
from onegrain.models import load_model
from support.tiny import parallel_corpus, plain_corpus, tiny_gpt2, tiny_nlm, tiny_nmt

OPTIONS = {
    "plain": {},
    "mean-without-start": {"aggregate": "mean", "bos": False},
    "special": {"special_tokens": True, "aggregate": "first"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("typed")
    for name, save in (("nlm", tiny_nlm), ("gpt2", tiny_gpt2), ("nmt", tiny_nmt)):
        save(root / "models" / name)
    for name, options in OPTIONS.items():
        gpt2 = load_model(root / "models/gpt2", name="gpt2")
        extract(gpt2, plain_corpus(), root / f"gpt2--{name}.zarr", **options)
    half = load_model(root / "models/gpt2", name="gpt2", dtype="bfloat16")
    extract(half, plain_corpus(), root / "gpt2--half.zarr")
    extract(root / "models/nlm", plain_corpus(), root / "nlm--plain.zarr")
    extract(root / "models/nlm", plain_corpus().lower(), root / "nlm--lower.zarr")
    parallel = parallel_corpus()
    extract(root / "models/nmt", parallel, root / "nmt--source.zarr", side="source")
    extract(root / "models/nmt", parallel, root / "nmt--target.zarr", side="target")
    return root


@pytest.fixture(scope="module")
def explorer(folder: Path) -> Explorer:
    return Explorer(collect([folder]), Settings(longest_text=300))


@pytest.mark.parametrize("name", ["gpt2--plain", "gpt2--mean-without-start", "nlm--plain", "nmt--source"])
def test_a_typed_sentence_has_the_values_of_the_store(explorer: Explorer, name: str) -> None:
    store = explorer.collection.store(name)
    neurons = [store.n_neurons - 1, 0, 3]
    for number in (0, 4):
        start, stop = store.corpus.offsets[number : number + 2]
        text = " ".join(store.corpus.sentence(number))
        typed = activations_of_text(explorer, explorer.collection.entry(name), text, neurons)
        assert typed.words == store.corpus.sentence(number)
        assert typed.neurons == tuple(store.space.name(neuron) for neuron in neurons)
        np.testing.assert_allclose(typed.values, store.values(start, stop)[:, neurons], atol=1e-5)


def test_the_model_reads_in_the_precision_of_the_store(explorer: Explorer) -> None:
    store, words = explorer.collection.store("gpt2--half"), plain_corpus().sentence(0)
    typed = activations_of_text(explorer, explorer.collection.entry("gpt2--half"), " ".join(words), [0, 3])
    values = store.values(0, len(words))[:, [0, 3]]
    np.testing.assert_allclose(typed.values, values, rtol=2**-6, atol=2**-6)  # bfloat16 has 8 bits


def test_special_tokens_of_a_store_are_no_words_of_a_typed_text(explorer: Explorer) -> None:
    store = explorer.collection.store("gpt2--special")
    words = plain_corpus().sentence(0)
    typed = activations_of_text(
        explorer, explorer.collection.entry("gpt2--special"), " ".join(words), ["layers.1:2"]
    )
    column = store.space.parse("layers.1:2")
    inside = [number for number, word in enumerate(store.corpus.sentence(0)) if word in words]
    assert typed.words == words
    np.testing.assert_allclose(typed.values[:, 0], store.values(0, len(words) + 2)[inside, column], atol=1e-5)


def test_neurons_of_a_decoder_need_the_source_too(explorer: Explorer) -> None:
    entry = explorer.collection.entry("nmt--target")
    store, corpus = explorer.collection.store("nmt--target"), parallel_corpus()
    assert corpus.target is not None
    text, source = " ".join(corpus.target.sentence(0)), " ".join(corpus.sentence(0))
    typed = activations_of_text(explorer, entry, text, [5], source)
    assert typed.words == corpus.target.sentence(0)
    np.testing.assert_allclose(typed.values[:, 0], store.values(0, len(typed.words))[:, 5], atol=1e-5)
    assert reads_translations(store.provenance)
    assert not reads_translations(explorer.collection.store("nmt--source").provenance)
    with pytest.raises(ParameterError, match="parallel side"):
        activations_of_text(explorer, entry, text, [5])
    with pytest.raises(CorpusError, match="1 sentences, but 2"):
        activations_of_text(explorer, entry, f"{text}\n{text}", [5], source)


def test_each_line_is_a_sentence_with_a_start_of_its_own(explorer: Explorer) -> None:
    entry = explorer.collection.entry("gpt2--plain")
    apart = activations_of_text(explorer, entry, "rain !\n\nrain  !", [0])
    assert apart.words == ("rain", "!") * 2
    assert apart.corpus.n_sentences == 2
    np.testing.assert_allclose(apart.values[:2], apart.values[2:], atol=1e-5)
    together = activations_of_text(explorer, entry, "rain ! rain !", [0])
    assert np.abs(together.values[2:] - apart.values[2:]).max() > 1e-3


def test_a_text_for_a_store_in_lower_case_is_read_in_lower_case(explorer: Explorer) -> None:
    lower = activations_of_text(explorer, explorer.collection.entry("nlm--lower"), "Anna RUNS", [0])
    assert lower.words == ("anna", "runs")
    assert lower.lowered
    kept = activations_of_text(explorer, explorer.collection.entry("nlm--plain"), "Anna RUNS", [0])
    assert kept.words == ("Anna", "RUNS")
    assert not kept.lowered


def test_errors_say_what_to_do(explorer: Explorer, folder: Path, tmp_path: Path) -> None:
    entry = explorer.collection.entry("gpt2--plain")
    with pytest.raises(ParameterError, match="at least one word"):
        activations_of_text(explorer, entry, " \n\t", [0])
    with pytest.raises(ParameterError, match="300 characters, and this has 301"):
        activations_of_text(explorer, entry, "a" * 301, [0])
    with pytest.raises(ParameterError, match="at least one neuron"):
        activations_of_text(explorer, entry, "a", [])
    with pytest.raises(ModelError, match="no neuron"):
        activations_of_text(explorer, entry, "a", ["layers.7:1"])
    with pytest.raises(CorpusError, match="at most 64 subwords"):
        activations_of_text(explorer, entry, "a b " * 50, [0])
    alone = Explorer(collect([folder / "gpt2--plain.zarr"]))
    with pytest.raises(NotFoundError, match="give its folder to onegrain explore"):
        activations_of_text(alone, alone.collection.entries[0], "a", [0])
    tiny_gpt2(tmp_path / "gpt2", seed=1)
    other = Explorer(collect([folder / "gpt2--plain.zarr", tmp_path / "gpt2"]))
    with pytest.raises(MismatchError, match="give the folder of the other one"):
        activations_of_text(other, other.collection.of_kind("activations")[0], "a", [0])
