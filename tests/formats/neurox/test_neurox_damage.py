"""Test that damaged files and full disks raise one error, and that interrupted conversions can be repeated."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from onegrain.errors import AlreadyDoneError, InputError, OutputExistsError, RecordError, StorageError
from onegrain.formats import export_neurox, import_neurox
from onegrain.formats.neurox import hdf5
from onegrain.formats.neurox.heap import require_whole_texts
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.space import NeuronSpace

h5py = pytest.importorskip("h5py", reason="NeuroX's HDF5 needs h5py")

SENTENCES = [["a", "dog", "sleeps"], ["we", "see", "it"], ["rain"]]


def activations(width: int = 4, seed: int = 1) -> Activations:
    corpus = Corpus.from_sentences(SENTENCES, source="texts")
    array = np.random.default_rng(seed).standard_normal((corpus.n_words, 2 * width)).astype(np.float32)
    return Activations.from_array(array, corpus, NeuronSpace(("embeddings", "layers.0"), (width, width)))


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Mount a file system of 40 KiB if this machine permits it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("ending", ["hdf5", "json"])
def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk, ending):
    for width in (1_000, 4_000):
        with pytest.raises(StorageError, match="the disk is full; free some space"):
            export_neurox(activations(width), small_disk / f"a.{ending}")
        assert list(small_disk.iterdir()) == []
    export_neurox(activations(), small_disk / f"a.{ending}")
    assert [path.name for path in small_disk.iterdir()] == [f"a.{ending}"]


@pytest.mark.parametrize("ending", ["hdf5", "json"])
def test_every_kind_of_damage_is_one_error(tmp_path, ending):
    """Flip bits and cut ends anywhere in a file; undetected damage leaves a file of the same shape."""
    path = export_neurox(activations(), tmp_path / f"a.{ending}")
    data, rng, messages = path.read_bytes(), np.random.default_rng(0), []
    for number in range(150):
        damaged = bytearray(data)
        for place in rng.integers(len(data), size=3):
            damaged[place] ^= 1 << int(rng.integers(8))
        damaged = damaged[: int(rng.integers(len(data)))] if number % 3 == 0 else damaged
        path.write_bytes(damaged)
        try:
            import_neurox(path, tmp_path / "a.zarr", force=True)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert not [message for message in messages if "\n" in message]


@pytest.mark.parametrize(
    "line",
    [
        '{"features": ' + "[" * 100_000,
        "[" * 100_000,
        '{"features": [{"token": "a", "layers": [{"values": [1e999]}]}]}',
        '{"features": [{"token": "a", "layers": [{"values": [' + "9" * 400 + "]}]}]}",
        '{"features": [{"token": "\\ud800", "layers": [{"values": [1.0]}]}]}',
        '{"features": {"token": "a"}}',
        '{"features": [{"token": "a", "layers": 7}]}',
        "null",
        "\x00",
    ],
)
def test_a_line_that_is_not_neuroxs_is_one_error(tmp_path, line):
    path = tmp_path / "a.json"
    path.write_text(line + "\n")
    with pytest.raises(RecordError, match=r"a\.json") as raised:
        import_neurox(path, tmp_path / "a.zarr")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    "origin",
    [
        "[" * 50_000,
        "[]",
        '{"sites": ["a", "b"], "provenance": {"stage": 7}}',
        '{"sites": ["a", "b"], "provenance": {"stage": "extract", "secret": 1}}',
        '{"sites": ["only one"], "provenance": {"stage": "extract"}}',
        '{"sites": 3, "provenance": {"stage": "extract"}}',
    ],
)
def test_a_wrong_origin_is_one_error(tmp_path, origin):
    path = export_neurox(activations(), tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["onegrain"]
        file.create_dataset("onegrain", (1,), dtype=h5py.string_dtype())[0] = origin
    with pytest.raises(RecordError, match="dataset onegrain"):
        import_neurox(path, tmp_path / "a.zarr")


@pytest.mark.parametrize("ending", ["hdf5", "json"])
def test_only_an_export_is_replaced_and_a_repeated_one_is_done(tmp_path, ending):
    path = export_neurox(activations(), tmp_path / f"a.{ending}")
    before = path.read_bytes()
    repeats: list[str] = []
    assert export_neurox(activations(), path, on_repeat=lambda: repeats.append("same")) == path
    assert repeats == ["same"]
    assert export_neurox(activations(), path) == path
    with pytest.raises(OutputExistsError, match="exists already; use --force") as raised:
        export_neurox(activations(seed=2), path)
    assert not isinstance(raised.value, AlreadyDoneError)
    assert path.read_bytes() == before
    export_neurox(activations(seed=2), path, force=True, on_repeat=lambda: repeats.append("forced"))
    assert repeats == ["same"]
    assert path.read_bytes() != before
    path.write_bytes(b"a thesis")
    with pytest.raises(OutputExistsError, match="not a file that onegrain wrote"):
        export_neurox(activations(), path, force=True)
    assert path.read_bytes() == b"a thesis"
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


def test_a_repeated_import_returns_the_store(tmp_path):
    path = export_neurox(activations(), tmp_path / "a.json")
    repeats: list[str] = []
    first = import_neurox(path, tmp_path / "a.zarr", on_repeat=lambda: repeats.append("first"))
    again = import_neurox(path, tmp_path / "a.zarr", on_repeat=lambda: repeats.append("again"))
    assert repeats == ["again"]
    assert np.array_equal(again.values(), first.values())
    assert again.corpus.words == first.corpus.words
    assert import_neurox(path, tmp_path / "a.zarr").space == first.space
    with pytest.raises(OutputExistsError, match="exists already; use --force"):
        import_neurox(path, tmp_path / "a.zarr", dtype="float16")


def test_a_file_of_neurox_itself_is_no_export(tmp_path):
    path = tmp_path / "theirs.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("0", data=np.zeros((1, 1, 2), np.float32))
        file.create_dataset("sentence_to_index", (1,), dtype=h5py.string_dtype())[0] = json.dumps({"a": "0"})
    assert not hdf5.is_export(path)
    with pytest.raises(OutputExistsError, match="not a file that onegrain wrote"):
        export_neurox(activations(), path, force=True)


def test_a_heap_of_texts_whose_objects_state_impossible_sizes_is_not_walked_by_the_library(tmp_path):
    """libhdf5 loops forever on an object with size 0, and no signal can interrupt it."""
    path, damaged = tmp_path / "acts.hdf5", tmp_path / "damaged.hdf5"
    export_neurox(activations(), path)
    with h5py.File(path) as file:
        for name in ("sentence_to_index", "onegrain"):
            require_whole_texts(path, file[name])
    data = path.read_bytes()
    heap = data.index(b"GCOL")
    free = heap + 16
    while data[free : free + 2] != b"\0\0":
        size = int.from_bytes(data[free + 8 : free + 16], "little")
        free += 16 + -(-size // 8) * 8
    sizes = [
        *(
            (place, value.to_bytes(8, "little"))
            for value in (0, 1, 15, 2**40, 2**64 - 1)
            for place in (free + 8,)
        ),
        *((heap + 16 + 8, value.to_bytes(8, "little")) for value in (2**40, 2**64 - 16, 2**64 - 1)),
        (heap + 8, (2**50).to_bytes(8, "little")),
        (heap, b"GCOX"),
        (heap + 16, b"\0\0" + data[heap + 18 : heap + 24] + bytes(8)),
    ]
    for place, written in sizes:
        damaged.write_bytes(data[:place] + written + data[place + len(written) :])
        with h5py.File(damaged) as file, pytest.raises(ValueError, match="heap of its texts"):
            require_whole_texts(damaged, file["sentence_to_index"])
        with pytest.raises(RecordError, match="sentence_to_index does not hold JSON"):
            import_neurox(damaged, tmp_path / "out.zarr")
