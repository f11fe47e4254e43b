"""Test that files which are spoilt, and options which are impossible, are refused by name."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from onegrain.activations import open_activations
from onegrain.errors import (
    MissingExtraError,
    ModelError,
    OnegrainError,
    OutputExistsError,
    ParameterError,
    RecordError,
)
from onegrain.formats import export_neurox, import_neurox
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from support.neurox_files import TEXTS, h5py, rows, split, tiny_activations, values_of, write_neurox


def spoil_no_texts(file):
    del file["sentence_to_index"]


def spoil_gap(file):
    file.move("1", "17")


def spoil_shape(file):
    del file["1"]
    file["1"] = np.zeros((2, 3), np.float32)


def spoil_kind(file):
    del file["1"]
    file["1"] = np.zeros((3, 2, 5), np.int64)


def spoil_layers(file):
    del file["1"]
    file["1"] = np.zeros((2, 2, 5), np.float32)


def spoil_value(file):
    file["1"][1, 0, 2] = np.nan


def spoil_tokens(file):
    del file["1"]
    file["1"] = np.zeros((3, 4, 5), np.float32)


def spoil_a_text(file):
    texts = json.loads(file["sentence_to_index"][0])
    file["sentence_to_index"][0] = json.dumps({text: name for text, name in texts.items() if name != "4"})


def spoil_the_json(file):
    file["sentence_to_index"][0] = "{"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_no_texts, "sentence_to_index does not hold JSON"),
        (spoil_the_json, "sentence_to_index does not hold JSON"),
        (spoil_a_text, r"no text for sentence 4 \(counted from 0\); give the corpus"),
        (spoil_gap, "no dataset 1"),
        (spoil_shape, r"dataset 1 must hold floats .* shape \(2, 3\)"),
        (spoil_kind, "dataset 1 must hold floats .* kind 'i'"),
        (spoil_layers, r"sentence 1 \(counted from 0\) has 2 layers of 5 neurons, but sentence 0 has 3 of 5"),
        (spoil_value, r"sentence 1 \(counted from 0\) has nan at token 0, neuron layers.0:2"),
        (spoil_tokens, "sentence 1 .* has 4 tokens, but its text has 2 words .*Straße"),
    ],
)
def test_a_spoilt_hdf5_file_is_refused_by_name(tmp_path, spoil, message):
    path = write_neurox(tmp_path / "a.hdf5", split(TEXTS), values_of(split(TEXTS)))
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(RecordError, match=rf"a\.hdf5.*{message}"):
        import_neurox(path, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


def test_a_corpus_replaces_lost_texts(tmp_path):
    path = write_neurox(tmp_path / "a.hdf5", split(TEXTS), values_of(split(TEXTS)))
    with h5py.File(path, "r+") as file:
        del file["sentence_to_index"]
    imported = import_neurox(path, tmp_path / "a.zarr", corpus=tiny_activations().corpus)
    np.testing.assert_array_equal(imported.values(), rows(values_of(split(TEXTS))))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"linex_index": 1, "features": [{"token": "a", "lay', "JSONDecodeError"),
        ('{"linex_index": 1}', "KeyError: 'features'"),
        ('{"features": [{"token": 3, "layers": [{"values": [1, 2]}]}]}', "a token must be a string"),
        ('{"features": [{"token": "a", "layers": [{"values": [1]}, {"values": [1, 2]}]}]}', "ValueError"),
        ('{"features": [{"token": "a", "layers": []}]}', "same layers"),
        ('{"features": [{"token": "a", "layers": [{"values": [1, 2, 3]}]}]}', "1 layers of 3 neurons, but"),
        ('[1]', "TypeError"),
    ],
)  # fmt: skip
def test_a_spoilt_line_of_json_is_refused_by_number(tmp_path, line, message):
    path = tmp_path / "a.json"
    good = '{"linex_index": 0, "features": [{"token": "a", "layers": [{"index": 0, "values": [1, 2]}]}]}'
    path.write_text(f"{good}\n\n{line}\n")
    with pytest.raises(RecordError, match=rf"a\.json:3: .*{message}"):
        import_neurox(path, tmp_path / "a.zarr")


def test_what_is_no_file_of_neurox_is_refused(tmp_path):
    (tmp_path / "a.hdf5").write_text("text")
    (tmp_path / "a.json").write_text("")
    (tmp_path / "a.h5").mkdir()
    with h5py.File(tmp_path / "none.hdf5", "w") as file:
        file["sentence_to_index"] = ["{}"]
    out = tmp_path / "a.zarr"
    for name, message in (
        ("a.hdf5", "is not an HDF5 file"),
        ("a.json", "holds no activations"),
        ("a.h5", "is not a file"),
        ("none.hdf5", "holds no activations"),
        ("gone.json", "does not exist"),
    ):
        with pytest.raises(RecordError, match=message):
            import_neurox(tmp_path / name, out)
    with pytest.raises(ParameterError, match=r"ends in \.hdf5, \.h5, \.json, \.jsonl"):
        import_neurox(tmp_path / "a.pt", out)
    assert not out.exists()


def test_impossible_options_of_an_import_are_refused(tmp_path):
    path = write_neurox(tmp_path / "a.hdf5", split(TEXTS), [v + 1e6 for v in values_of(split(TEXTS))])
    out = tmp_path / "a.zarr"
    for options, message in (
        ({"sites": ["a", "b"]}, "3 layers of 5 neurons; sites must name each of them, in order, got 'a, b'"),
        ({"sites": "layers.*"}, "sites must name each"),
        ({"sites": ["a", "b", "a"]}, "named twice"),
        ({"dtype": "float64"}, "dtype must be one of"),
        ({"dtype": "float16"}, "more than float16 can hold"),
    ):
        with pytest.raises(ParameterError, match=message):
            import_neurox(path, out, **options)
        assert not out.exists()
    import_neurox(path, out)
    with pytest.raises(OutputExistsError, match="exists already"):
        import_neurox(path, out, sites=["x", "y", "z"])
    import_neurox(path, out, force=True, sites=["x", "y", "z"])
    assert open_activations(out).space.sites == ("x", "y", "z")


def test_impossible_exports_are_refused(tmp_path):
    activations = tiny_activations(("embeddings", "layers.0"), (4, 6))
    with pytest.raises(ParameterError, match=r"embeddings \(4\), layers\.0 \(6\); choose sites of one width"):
        export_neurox(activations, tmp_path / "a.hdf5")
    with pytest.raises(ModelError, match="no site matches"):
        export_neurox(activations, tmp_path / "a.hdf5", sites="layers.9")
    with pytest.raises(ParameterError, match=r"ends in \.hdf5, \.json"):
        export_neurox(activations, tmp_path / "a.jsonl", sites="embeddings")
    spaced = Activations.from_array(np.ones((2, 3), np.float32), Corpus.from_sentences([["a"], ["10 000"]]))
    with pytest.raises(ParameterError, match=r"sentence 1 .* the word '10 000'"):
        export_neurox(spaced, tmp_path / "a.hdf5")
    export_neurox(spaced, tmp_path / "spaced.json")
    assert import_neurox(tmp_path / "spaced.json", tmp_path / "s.zarr").corpus.words == ("a", "10 000")
    bad = Activations.from_array(np.full((1, 3), np.inf, np.float32), Corpus.from_sentences([["a"]]))
    with pytest.raises(ParameterError, match="not finite"):
        export_neurox(bad, tmp_path / "a.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.zarr", "spaced.json"]
    other = Activations.from_array(np.zeros((2, 3), np.float32), spaced.corpus)
    with pytest.raises(OutputExistsError, match="exists already"):
        export_neurox(other, tmp_path / "spaced.json")
    export_neurox(other, tmp_path / "spaced.json", force=True)


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = write_neurox(tmp_path / "a.hdf5", split(TEXTS), values_of(split(TEXTS)))
    monkeypatch.setitem(sys.modules, "h5py", None)
    for call in (
        lambda: import_neurox(path, tmp_path / "a.zarr"),
        lambda: export_neurox(tiny_activations(), tmp_path / "b.hdf5"),
    ):
        with pytest.raises(MissingExtraError, match=r"pip install 'onegrain\[neurox\]'") as caught:
            call()
        assert isinstance(caught.value, OnegrainError)
    assert import_neurox(export_neurox(tiny_activations(), tmp_path / "b.json"), tmp_path / "b.zarr").n_words
