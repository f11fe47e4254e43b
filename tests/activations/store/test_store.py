"""Test that a store returns what was written, and that damaged or incomplete stores are refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given
from hypothesis import strategies as st

from onegrain.activations.interop import to_torch, to_xarray
from onegrain.activations.store.layout import Grid
from onegrain.activations.store.open import open_activations
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.verify import verify_activations
from onegrain.activations.store.writer import StoreContent, StoreWriter, require_writable, write_store
from onegrain.errors import LabelError, OutputExistsError, ParameterError, RecordError
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.space import NeuronSpace
from support import TESTS

SPACE = NeuronSpace(("layers.0", "layers.1"), (100, 60))


def corpus() -> Corpus:
    """Return a corpus with unusual words, an empty sentence, a missing label, and unusual names of layers."""
    sentences = [["Straße", "日本語", "a b"], [], ["\U0001f600", "e\u0301", "x"] * 30]
    labels = [["N", None, "N"], [], ["V", "N", None] * 30]
    return Corpus.from_sentences(sentences, {"upos": labels, "a/b ": labels}, source="odd")


def values() -> np.ndarray:
    table = np.random.default_rng(0).standard_normal((corpus().n_words, SPACE.size)).astype(np.float32)
    table[10:40] = 0.0
    return table


def content(dtype: str = "float32") -> StoreContent:
    provenance = Provenance(stage="extract", corpus=CorpusIdentity.of(corpus()), sites=SPACE.sites)
    return StoreContent(corpus(), SPACE, provenance, dtype)


def write(
    store: Path | str, *, dtype: str = "float32", shards: int | None = None, missing: tuple[int, ...] = ()
) -> StoreWriter:
    """Write a store, or only its first shards."""
    without = np.isin(np.arange(corpus().n_words), missing)
    held = np.where(without[:, None], np.float32(np.nan), values())
    writer = StoreWriter(folder_at(store), content(dtype), force=False)
    for shard in range(writer.content.n_shards if shards is None else shards):
        start, stop = writer.span(shard)
        writer.write(held[start:stop], without[start:stop])
    if shards is None:
        writer.finish(np.flatnonzero(without))
        writer.close()
    return writer


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 16)
    monkeypatch.setattr("onegrain.activations.store.layout.CHUNK_ROWS", 8)
    monkeypatch.setattr("onegrain.activations.store.layout.CHUNK_COLUMNS", 64)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_everything_comes_back(tmp_path, dtype):
    write(tmp_path / "a.zarr", dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = open_activations(tmp_path / "a.zarr")
    expected = values().astype(dtype)
    assert opened.array.dtype == dtype
    np.testing.assert_array_equal(opened.array[:], expected)
    np.testing.assert_array_equal(np.asarray(opened.array), expected)
    np.testing.assert_array_equal(opened.values(7, 41), expected[7:41].astype(np.float32))
    np.testing.assert_array_equal(opened.array[:, 99:100], expected[:, 99:100])
    np.testing.assert_array_equal(opened.restrict("layers.1").values(), expected[:, 100:].astype(np.float32))
    np.testing.assert_array_equal(np.concatenate([b for _, b in opened.blocks(9)]), expected.astype(np.float32))
    reused = np.concatenate([block.copy() for _, block in opened.blocks(9, reuse=True)])
    np.testing.assert_array_equal(reused, expected.astype(np.float32))
    assert opened.corpus.words == corpus().words
    assert opened.corpus.offsets.tolist() == corpus().offsets.tolist()
    assert opened.corpus.source == "odd"
    assert sorted(opened.corpus.layers) == ["a/b ", "upos"]
    for name, layer in corpus().layers.items():
        assert opened.layer(name).labels() == layer.labels()
        assert opened.layer(name).vocabulary == layer.vocabulary


@pytest.mark.usefixtures("small_shards")
def test_any_zarr_reader_reads_it(tmp_path):
    write(tmp_path / "a.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(tmp_path / "a.zarr", mode="r")
        names = sorted(name for name, _ in group.members())
    assert names == ["activations", "labels", "missing", "sentences", "word_ends", "words"]
    assert group.metadata.zarr_format == 3
    np.testing.assert_array_equal(group["activations"][:], values())


@given(st.integers(1, 10**7), st.integers(1, 10**6))
def test_grids_fit_any_sizes(words, neurons):
    grid = Grid.of(words, neurons)
    assert grid.rows % grid.chunk_rows == 0
    assert grid.columns % grid.chunk_columns == 0
    assert neurons <= grid.columns < neurons + -(-neurons // 64)
    assert grid.n_shards(words) * grid.rows >= words > (grid.n_shards(words) - 1) * grid.rows
    assert grid.rows < words + 2048
    assert grid.rows == 64 or grid.rows * neurons * 4 <= 2**26 or grid.rows <= words + 64


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("shards", [0, 2, 6])
def test_an_unfinished_store_is_refused(tmp_path, shards):
    write(tmp_path / "a.zarr", shards=shards)
    with pytest.raises(RecordError, match="unfinished: run the same extract again to finish it"):
        open_activations(tmp_path / "a.zarr")


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(RecordError, match="does not exist"):
        open_activations(tmp_path / "nothing.zarr")
    zarr.create_array(tmp_path / "other.zarr", shape=(3, 3), dtype="f4")
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    (tmp_path / "file").write_text("text")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/zarr.json").write_text("{")
    for name in ("other.zarr", "group.zarr", "file", "broken"):
        with pytest.raises(RecordError, match="not a store of activations"):
            open_activations(tmp_path / name)


def edit_manifest(store: Path, **changes: object) -> None:
    group = json.loads((store / "zarr.json").read_text())
    group["attributes"].update(changes)
    (store / "zarr.json").write_text(json.dumps(group))


def test_a_later_format_is_refused(tmp_path):
    write(tmp_path / "a.zarr")
    edit_manifest(tmp_path / "a.zarr", format=3)
    with pytest.raises(RecordError, match=r"has format 3, but this version of onegrain reads format 2"):
        open_activations(tmp_path / "a.zarr")


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_range_of_words_and_neurons_is_what_zarr_reads(tmp_path, dtype):
    write(tmp_path / "a.zarr", dtype=dtype, missing=(20, 92))
    opened, array = open_activations(tmp_path / "a.zarr"), zarr.open_group(tmp_path / "a.zarr")["activations"]
    rng = np.random.default_rng(0)
    edges = [0, 1, 7, 8, 15, 16, 17, 40, 92, 93]
    for start, stop in [(start, stop) for start in edges for stop in edges if start <= stop]:
        left, right = sorted(rng.integers(0, SPACE.size + 1, 2).tolist())
        block = opened.values(start, stop, neurons=slice(left, right))
        np.testing.assert_array_equal(block, array[start:stop, left:right].astype(np.float32))


@pytest.mark.usefixtures("small_shards")
def test_damage_is_refused(tmp_path):
    write(tmp_path / "good.zarr")

    def copy(name: str) -> Path:
        return Path(shutil.copytree(tmp_path / "good.zarr", tmp_path / name))

    def flip(path: Path, index: int) -> None:
        content = bytearray(path.read_bytes())
        content[index] ^= 1
        path.write_bytes(content)

    (copy("lost") / "activations/c/3/0").unlink()
    with pytest.raises(RecordError, match=r"damaged: 1 of 6 shards are lost, the first activations/c/3/0"):
        open_activations(tmp_path / "lost")
    flip(copy("chunk") / "activations/c/3/0", 40)
    flip(copy("index") / "activations/c/3/0", -10)
    (copy("cut") / "activations/c/3/0").write_bytes(b"\0" * 100)
    (copy("empty") / "activations/c/3/0").write_bytes(b"")
    for name in ("chunk", "index", "cut", "empty"):
        opened = open_activations(tmp_path / name)
        np.testing.assert_array_equal(opened.values(0, 48), values()[:48])
        named = r"activations/c/3/0: words 48 to 5[0-9], neurons layers\.0:0 to layers\.0:"
        with pytest.raises(RecordError, match=f"is damaged at {named}"):
            opened.values(48, 64)
    flip(copy("words") / "words/c/0", 30)
    (copy("gone") / "labels/1/zarr.json").unlink()
    edit_manifest(copy("space"), space={"sites": ["layers.0"], "widths": [3]})
    (copy("text") / "words/c/0").unlink()
    (copy("codes") / "labels/0/c/0").unlink()
    for name in ("words", "gone", "space", "text", "codes"):
        with pytest.raises(RecordError):
            open_activations(tmp_path / name)


def test_sentences_that_are_not_those_that_were_written_are_refused(tmp_path):
    write(tmp_path / "a.zarr")
    other = zarr.open_array(tmp_path / "a.zarr/sentences", mode="r+")
    other[1] = 2
    with pytest.raises(RecordError, match="is damaged at sentences/c/0: its checksum differs"):
        open_activations(tmp_path / "a.zarr")


def test_same_input_same_bytes(tmp_path):
    write(tmp_path / "a.zarr")
    write(tmp_path / "b.zarr")
    files = sorted(path.relative_to(tmp_path / "a.zarr") for path in (tmp_path / "a.zarr").rglob("*"))
    assert files == sorted(path.relative_to(tmp_path / "b.zarr") for path in (tmp_path / "b.zarr").rglob("*"))
    for file in files:
        if (tmp_path / "a.zarr" / file).is_file():
            assert (tmp_path / "a.zarr" / file).read_bytes() == (tmp_path / "b.zarr" / file).read_bytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_not_stored(tmp_path, value):
    writer = write(tmp_path / "a.zarr", shards=0)
    spoilt = values()
    spoilt[20, 103] = value
    with pytest.raises(ParameterError, match=r"layers\.1:3 at word 20 is not finite"):
        writer.write(spoilt)


HOLDER = """
import sys
from pathlib import Path
from activations.store.test_store import write
writer = write(Path(sys.argv[1]), shards=1)
print("writing", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_refused_and_a_killed_one_is_not_waited_for(tmp_path):
    store = tmp_path / "s.zarr"
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", HOLDER, str(store)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, **pipes) as other:
        assert other.stdout.readline() == "writing\n"
        for force in (False, True):
            with pytest.raises(OutputExistsError, match=r"another writer is at work on .*s\.zarr"):
                require_writable(folder_at(store), force=force)
        with pytest.raises(OutputExistsError, match="another writer"):
            write(store)
        other.kill()
    write(store).close()
    assert np.array_equal(open_activations(store).values(), values())


@pytest.mark.usefixtures("small_shards")
def test_words_without_activation_are_flagged_and_their_rows_are_nan(tmp_path):
    write(tmp_path / "a.zarr", missing=(0, 17, 92))
    opened = open_activations(tmp_path / "a.zarr")
    assert np.flatnonzero(opened.missing).tolist() == [0, 17, 92]
    assert (~opened.present == opened.missing).all()
    held = opened.values()
    assert np.isnan(held[opened.missing]).all()
    np.testing.assert_array_equal(held[opened.present], values()[opened.present])
    np.testing.assert_array_equal(opened.array[17, :3], [np.nan] * 3)
    assert opened.array[16, 5] == values()[16, 5]
    assert json.loads((tmp_path / "a.zarr/zarr.json").read_text())["attributes"]["missing"] == 3
    write(tmp_path / "b.zarr")
    assert open_activations(tmp_path / "b.zarr").missing is None


@pytest.mark.usefixtures("small_shards")
def test_only_what_is_asked_for_is_read(tmp_path, monkeypatch):
    """Chunks outside a slice are damaged, so that reading them would raise an error."""
    write(tmp_path / "a.zarr")
    opened = open_activations(tmp_path / "a.zarr")
    nouns = opened.words_of("upos", "N")
    assert nouns.tolist() == [0, 2, *range(4, 93, 3)]
    spoilt = tmp_path / "a.zarr/activations/c/3/0"
    spoilt.write_bytes(b"\0" * spoilt.stat().st_size)
    with pytest.raises(RecordError, match="is damaged"):
        opened.values()
    few = np.array([60, 3, 3, 20])
    np.testing.assert_array_equal(opened.values(0, 48), values()[:48])
    with pytest.raises(RecordError):
        opened.take(few)
    few[0] = 70
    np.testing.assert_array_equal(opened.take(few, ["layers.1:3", 0]), values()[few][:, [103, 0]])
    sliced = opened.restrict("layers.1")
    np.testing.assert_array_equal(sliced.take(few, ["layers.1:3", 0]), values()[few][:, [103, 100]])
    np.testing.assert_array_equal(sliced.values(64), values()[64:, 100:])
    mask = np.arange(93) < 9
    np.testing.assert_array_equal(sliced.take(mask), values()[:9, 100:])


def test_one_neuron_reads_one_column_of_chunks(tmp_path):
    write(tmp_path / "a.zarr")
    opened = open_activations(tmp_path / "a.zarr")
    np.testing.assert_array_equal(opened.neuron("layers.1:59"), values()[:, 159])
    np.testing.assert_array_equal(opened.restrict("layers.1").neuron(0), values()[:, 100])
    shard = tmp_path / "a.zarr/activations/c/0/0"
    content = bytearray(shard.read_bytes())
    content[:64] = b"\xff" * 64
    shard.write_bytes(content)
    read = [neuron for neuron in range(160) if not _refused(lambda neuron=neuron: opened.neuron(neuron))]
    assert len(read) in (160 - 54, 160 - 53)


def _refused(work) -> bool:
    try:
        work()
    except RecordError:
        return True
    return False


def test_missing_words_and_labels_are_refused(tmp_path):
    write(tmp_path / "a.zarr")
    opened = open_activations(tmp_path / "a.zarr")
    with pytest.raises(ParameterError, match=r"words are numbered 0\.\.92"):
        opened.take([93])
    with pytest.raises(ParameterError, match="a mask of 3 for 93 words"):
        opened.take(np.ones(3, dtype=bool))
    with pytest.raises(LabelError, match="no label 'X' in layer 'upos'; it has: N, V"):
        opened.words_of("upos", "X")


@pytest.mark.usefixtures("small_shards")
def test_every_flipped_byte_is_found_and_its_file_is_named(tmp_path):
    write(tmp_path / "a.zarr", missing=(7,))
    store, seen = tmp_path / "a.zarr", set()
    assert verify_activations(store) == 36
    rng = np.random.default_rng(0)
    files = sorted(path for path in store.rglob("*") if path.is_file())
    for path in files:
        original, name = path.read_bytes(), path.relative_to(store).as_posix()
        for index in {0, len(original) - 1, *rng.integers(len(original), size=8).tolist()}:
            spoilt = bytearray(original)
            spoilt[index] ^= 1 << int(rng.integers(8))
            path.write_bytes(spoilt)
            with pytest.raises(RecordError) as caught:
                verify_activations(store)
            assert name in str(caught.value) or name == "zarr.json", (name, index, str(caught.value))
            seen.add(name)
        path.write_bytes(original)
    assert len(seen) == len(files) >= 20
    assert verify_activations(store) == 36


def test_verifying_names_all_damage_and_reports_progress(tmp_path, small_shards):
    write(tmp_path / "a.zarr")
    reported = []
    verify_activations(tmp_path / "a.zarr", progress=lambda *_: nullcontext(reported.append))
    assert reported == [16] * 5 + [13]
    for shard in (1, 4):
        path = tmp_path / f"a.zarr/activations/c/{shard}/0"
        path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(RecordError, match=r"damaged in 12 chunks: .*c/1/0: words 16 to 23.*and 7 more"):
        verify_activations(tmp_path / "a.zarr")


def test_views_of_other_libraries(tmp_path):
    xarray = pytest.importorskip("xarray")
    write(tmp_path / "a.zarr")
    opened = open_activations(tmp_path / "a.zarr").restrict("layers.1")
    tensor = to_torch(opened, 3, 9)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), values()[3:9, 100:])
    np.testing.assert_array_equal(np.asarray(opened), values()[:, 100:])
    view = to_xarray(opened)
    assert isinstance(view, xarray.DataArray)
    assert view.shape == (93, 60)
    np.testing.assert_array_equal(view[5:60:7, [3, 50]].values, values()[5:60:7, [103, 150]])
    verbs = view[view["upos"] == "V"]
    np.testing.assert_array_equal(verbs.values, values()[opened.words_of("upos", "V")][:, 100:])
    np.testing.assert_array_equal(view.sel(neuron="layers.1:7").values, values()[:, 107])
    assert float(view[4, 2]) == values()[4, 102]
    assert view["text"].values[:3].tolist() == list(corpus().words[:3])


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("rows", [1, 13, 93])
def test_blocks_of_any_size_make_the_same_store(tmp_path, rows):
    write(tmp_path / "a.zarr")
    blocks = [values()[start : start + rows] for start in range(0, 93, rows)]
    write_store(tmp_path / "b.zarr", content(), blocks, force=False)
    for path in sorted((tmp_path / "a.zarr").rglob("*")):
        if path.is_file():
            assert (
                path.read_bytes() == (tmp_path / "b.zarr" / path.relative_to(tmp_path / "a.zarr")).read_bytes()
            )
    for wrong in (blocks[:-1], [*blocks, values()[:5]]):
        with pytest.raises(ParameterError, match=r"more rows than the 93 words|rows for 93 words"):
            write_store(tmp_path / "c.zarr", content(), wrong, force=False)
        assert not (tmp_path / "c.zarr").exists()
