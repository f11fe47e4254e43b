"""Test that files of the real NeuroX are imported to the bit, and that it can read exported files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onegrain.activations import extract, open_activations
from onegrain.errors import (
    MismatchError,
    ParameterError,
    RecordError,
)
from onegrain.formats import export_neurox, import_neurox
from onegrain.models import load_model
from onegrain.records.corpus import Corpus
from onegrain.records.space import NeuronSpace
from support.neurox_files import (
    ENDINGS,
    TEXTS,
    h5py,
    neurox_loader,
    read_by_neurox,
    rows,
    split,
    tiny_activations,
    values_of,
    write_neurox,
)
from support.tiny import HIDDEN, LAYERS, SENTENCES, plain_corpus, tiny_bert

neurox_extractor = pytest.importorskip(
    "neurox.data.extraction.transformers_extractor", reason="the real neurox is not installed"
)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_of_neurox_comes_in(tmp_path, ending):
    sentences, values = split(TEXTS), values_of(split(TEXTS))
    path = write_neurox(tmp_path / f"acts.{ending}", sentences, values)
    imported = import_neurox(path, tmp_path / "acts.zarr")
    expected = rows(values) if ending == "hdf5" else np.round(rows(values).astype(float), 8).astype(np.float32)
    np.testing.assert_array_equal(imported.values(), expected)
    np.testing.assert_array_equal(imported.values(), read_by_neurox(path)[0].astype(np.float32))
    assert [list(words) for words in imported.corpus.sentences()] == sentences
    assert imported.space == NeuronSpace(("embeddings", "layers.0", "layers.1"), (5, 5, 5))
    assert imported.provenance.stage == "import"
    assert imported.provenance.parameters["file"] == path.name
    assert imported.provenance.subject() is None
    assert imported.corpus.source == str(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_export_and_import_return_the_same_activations(tmp_path, ending):
    activations = tiny_activations()
    path = export_neurox(activations, tmp_path / f"a.{ending}")
    back = import_neurox(path, tmp_path / "a.zarr")
    expected = activations.values()
    if ending == "json":
        expected = np.round(expected.astype(float), 8).astype(np.float32)
    np.testing.assert_array_equal(back.values(), expected)
    assert back.corpus.content_hash == activations.corpus.content_hash
    assert back.space == activations.space
    again = export_neurox(back, tmp_path / f"b.{ending}")
    np.testing.assert_array_equal(read_by_neurox(again)[0], read_by_neurox(path)[0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_import_and_export_return_the_same_file(tmp_path, ending):
    """A file of NeuroX that is imported and exported again equals the original."""
    path = write_neurox(tmp_path / f"a.{ending}", split(TEXTS), values_of(split(TEXTS)))
    again = export_neurox(import_neurox(path, tmp_path / "a.zarr"), tmp_path / f"b.{ending}")
    for written, other in zip(
        *(neurox_loader.load_activations(str(file))[0] for file in (path, again)), strict=True
    ):
        np.testing.assert_array_equal(other, np.float32(written) if ending == "hdf5" else np.round(written, 8))
    if ending == "hdf5":
        with h5py.File(path) as a, h5py.File(again) as b:
            assert json.loads(a["sentence_to_index"][0]) == json.loads(b["sentence_to_index"][0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_goes_out_is_what_neurox_writes(tmp_path, ending):
    activations = tiny_activations()
    layered = activations.values().reshape(-1, 2, 4).transpose(1, 0, 2)
    parts = np.split(layered, activations.corpus.offsets[1:-1], axis=1)
    theirs = write_neurox(tmp_path / f"theirs.{ending}", split(TEXTS), parts)
    ours = export_neurox(activations, tmp_path / f"ours.{ending}")
    loaded, layers = read_by_neurox(ours)
    assert layers == 2
    np.testing.assert_array_equal(loaded, read_by_neurox(theirs)[0])
    if ending == "json":
        assert ours.read_bytes() == theirs.read_bytes()
    else:
        with h5py.File(theirs) as a, h5py.File(ours) as b:
            assert a["sentence_to_index"][0] == b["sentence_to_index"][0]
            assert set(b) - set(a) == {"onegrain"}


def test_sites_are_chosen_and_hdf5_carries_where_it_is_from(tmp_path):
    activations = tiny_activations(("embeddings", "layers.0", "layers.0.mlp", "layers.1"), (4, 4, 8, 4))
    path = export_neurox(activations, tmp_path / "some.hdf5", sites=["layers.0", "layers.1"])
    loaded, layers = read_by_neurox(path)
    np.testing.assert_array_equal(loaded, activations.restrict(["layers.0", "layers.1"]).values())
    assert layers == 2
    back = import_neurox(path, tmp_path / "some.zarr")
    assert back.space.sites == ("layers.0", "layers.1")
    assert back.provenance.inputs == (activations.provenance,)


@given(st.lists(st.sampled_from(["a", "a b", "a (Occurrence 2)", "a (Occurrence 3)", "b"]), min_size=1))
def test_any_repetition_comes_back(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("repeated")
    sentences = split(texts)
    path = write_neurox(folder / "a.hdf5", sentences, values_of(sentences, 1, 1))
    assert [list(words) for words in import_neurox(path, folder / "a.zarr").corpus.sentences()] == sentences
    export_neurox(tiny_activations(("layers.0",), (1,), texts), folder / "b.hdf5")
    with h5py.File(path) as theirs, h5py.File(folder / "b.hdf5") as ours:
        assert ours["sentence_to_index"][0] == theirs["sentence_to_index"][0]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_of_one_layer_and_a_filtered_one(tmp_path, ending):
    sentences, values = split(TEXTS), values_of(split(TEXTS), 4)
    write_neurox(tmp_path / f"acts.{ending}", sentences, values, decompose_layers=True)
    for layer, site in enumerate(["embeddings", "layers.0", "layers.1", "layers.2"]):
        imported = import_neurox(tmp_path / f"acts-layer{layer}.{ending}", tmp_path / f"{layer}.zarr")
        assert imported.space.sites == (site,)
        np.testing.assert_allclose(imported.values(), rows([v[[layer]] for v in values]), rtol=1e-7, atol=6e-9)
    path = write_neurox(tmp_path / f"two.{ending}", sentences, values, filter_layers="3,1")
    imported = import_neurox(path, tmp_path / "two.zarr", sites=["layers.2", "layers.0"])
    assert imported.space.sites == ("layers.2", "layers.0")
    np.testing.assert_allclose(imported.values(), rows([v[[3, 1]] for v in values]), rtol=1e-7, atol=6e-9)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_corpus_brings_words_and_labels(tmp_path, ending):
    corpus = plain_corpus()
    spelled = [["".join(f"##{letter}" for letter in word) for word in words] for words in corpus.sentences()]
    path = write_neurox(tmp_path / f"a.{ending}", spelled, values_of(spelled))
    imported = import_neurox(path, tmp_path / "a.zarr", corpus=corpus, dtype="float16")
    assert imported.corpus.words == corpus.words
    assert imported.layer("length").labels() == corpus.layer("length").labels()
    assert imported.array.dtype == np.float16
    np.testing.assert_array_equal(
        imported.values(), rows(values_of(spelled)).astype(np.float16).astype(np.float32)
        if ending == "hdf5"
        else np.round(rows(values_of(spelled)).astype(float), 8).astype(np.float32).astype(np.float16),
    )  # fmt: skip
    longer = Corpus.from_sentences([[*words, "x"] if n == 3 else words for n, words in enumerate(spelled)])
    with pytest.raises(
        MismatchError,
        match=r"sentence 3 \(counted from 0\) has 9 tokens, but .* 10 words, .*; 1 of 8 sentences differ",
    ):
        import_neurox(path, tmp_path / "b.zarr", corpus=longer)
    with pytest.raises(MismatchError, match=r"has 8 sentences, but tiny-en has 7"):
        import_neurox(path, tmp_path / "b.zarr", corpus=corpus.head(7))
    assert not (tmp_path / "b.zarr").exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_empty_sentences(tmp_path, ending):
    """Test two sentences without tokens, and the token of zeros that NeuroX writes for an empty line."""
    sentences = [["a", "b"], [], ["c"], [], [""]]
    values = values_of(sentences)
    values[4][:] = 0.0
    path = write_neurox(tmp_path / f"a.{ending}", sentences, values)
    imported = import_neurox(path, tmp_path / "a.zarr")
    assert [list(words) for words in imported.corpus.sentences()] == sentences
    assert imported.n_words == 4
    corpus = Corpus.from_sentences([["a", "b"], [], ["c"], [], []])
    bare = import_neurox(path, tmp_path / "b.zarr", corpus=corpus)
    np.testing.assert_array_equal(bare.values(), imported.values()[[0, 1, 2]])
    with pytest.raises(ParameterError, match=r"sentence 1 \(counted from 0\) .* has no words"):
        export_neurox(imported, tmp_path / f"b.{ending}")
    values[4][:] = 1.0
    path = write_neurox(tmp_path / f"c.{ending}", sentences, values)
    with pytest.raises(MismatchError, match=r"sentence 4 .* a token that is not all zeros"):
        import_neurox(path, tmp_path / "c.zarr", corpus=corpus)
    assert not (tmp_path / "c.zarr").exists()


def test_many_words_come_in_and_go_out_in_pieces(tmp_path):
    """Words that a store writes and an export reads in several pieces keep their order."""
    texts = [f"w{number} {'x ' * (number % 9)}y" for number in range(4000)]
    sentences = split(texts)
    activations = tiny_activations(("layers.0",), (3,), texts)
    parts = np.split(activations.values()[None], activations.corpus.offsets[1:-1], axis=1)
    imported = import_neurox(write_neurox(tmp_path / "a.hdf5", sentences, parts), tmp_path / "a.zarr")
    assert imported.n_words > 16384
    np.testing.assert_array_equal(imported.values(), activations.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onegrain.formats.neurox.exporting.BLOCK_BYTES", 4 * 3 * 100)
        export_neurox(imported, tmp_path / "b.hdf5")
    np.testing.assert_array_equal(read_by_neurox(tmp_path / "b.hdf5")[0], activations.values())


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("theirs", "ours"), [("last", "last"), ("first", "first"), ("average", "mean")])
def test_neurox_extracts_what_onegrain_extracts(tmp_path, bert, theirs, ours, ending):
    (tmp_path / "words.txt").write_text("".join(f"{line}\n" for line in SENTENCES))
    path = tmp_path / f"acts.{ending}"
    neurox_extractor.extract_representations(
        str(bert), str(tmp_path / "words.txt"), str(path), aggregation=theirs, output_type=ending
    )
    corpus = plain_corpus()
    imported = import_neurox(path, tmp_path / "theirs.zarr", corpus=corpus)
    np.testing.assert_array_equal(imported.values(), read_by_neurox(path)[0].astype(np.float32))
    sites = ["embeddings", *(f"layers.{layer}" for layer in range(LAYERS))]
    extracted = extract(
        load_model(bert, device="cpu"), corpus, tmp_path / "ours.zarr", sites=sites, aggregate=ours
    )
    assert extracted.space == imported.space == NeuronSpace(tuple(sites), (HIDDEN,) * len(sites))
    np.testing.assert_allclose(imported.values(), extracted.values(), rtol=0, atol=1e-5)
    assert float(np.abs(extracted.values()).mean()) > 0.1


def test_an_unfinished_import_is_started_over(tmp_path):
    path = write_neurox(tmp_path / "a.hdf5", split(TEXTS), values_of(split(TEXTS)))

    class Stop(BaseException):
        pass

    class Once:
        def __call__(self, *arguments):
            return self

        def __enter__(self):
            return self.stop

        def __exit__(self, *error):
            return None

        @staticmethod
        def stop(done):
            raise Stop

    with pytest.raises(Stop):
        import_neurox(path, tmp_path / "a.zarr", progress=Once())
    with pytest.raises(RecordError, match="unfinished"):
        open_activations(tmp_path / "a.zarr")
    np.testing.assert_array_equal(
        import_neurox(path, tmp_path / "a.zarr").values(), rows(values_of(split(TEXTS)))
    )
