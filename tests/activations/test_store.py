"""The store: what is written comes back, and what is not a whole store is refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from onegrain.activations.store import Grid, open_activations
from onegrain.activations.writing import Content, StoreWriter, require_writable
from onegrain.core.corpus import Corpus
from onegrain.core.provenance import CorpusIdentity, Provenance
from onegrain.core.space import NeuronSpace
from onegrain.errors import OutputExistsError, ParameterError, RecordError

SPACE = NeuronSpace(("layers.0", "layers.1"), (100, 60))


def corpus() -> Corpus:
    """Words that try the encoding, an empty sentence, a label that is missing, names that try the layout."""
    sentences = [["Straße", "日本語", "a b"], [], ["\ud800", "e\u0301", "x"] * 30]
    labels = [["N", None, "N"], [], ["V", "N", None] * 30]
    return Corpus.from_sentences(sentences, {"upos": labels, "a/b ": labels}, source="odd")


def values() -> np.ndarray:
    made = np.random.default_rng(0).standard_normal((corpus().n_words, SPACE.size)).astype(np.float32)
    made[10:40] = 0.0
    return made


def write(store: Path, *, dtype: str = "float32", shards: int | None = None) -> StoreWriter:
    """Write a store, or only its first shards."""
    provenance = Provenance(stage="extract", corpus=CorpusIdentity.of(corpus()), sites=SPACE.sites)
    writer = StoreWriter(store, Content(corpus(), SPACE, provenance, dtype), force=False)
    for shard in range(writer.content.n_shards if shards is None else shards):
        start, stop = writer.span(shard)
        writer.write(values()[start:stop])
    if shards is None:
        writer.finish()
    return writer


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("onegrain.activations.store.MOST_ROWS", 16)
    monkeypatch.setattr("onegrain.activations.store.CHUNK_ROWS", 8)
    monkeypatch.setattr("onegrain.activations.store.CHUNK_COLUMNS", 64)


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
    assert names == ["activations", "labels", "sentences", "word_ends", "words"]
    assert group.metadata.zarr_format == 3
    np.testing.assert_array_equal(group["activations"][:], values())


@given(st.integers(1, 10**7), st.integers(1, 10**6))
def test_grids_fit_whatever_the_sizes(words, neurons):
    grid = Grid.of(words, neurons)
    assert grid.rows % grid.chunk_rows == 0
    assert grid.columns % grid.chunk_columns == 0
    assert neurons <= grid.columns < neurons + -(-neurons // 128)
    assert grid.n_shards(words) * grid.rows >= words > (grid.n_shards(words) - 1) * grid.rows
    assert grid.rows < words + 1024
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
    edit_manifest(tmp_path / "a.zarr", format=2)
    with pytest.raises(RecordError, match=r"format 2.* up to 1; install a newer onegrain"):
        open_activations(tmp_path / "a.zarr")


@pytest.mark.usefixtures("small_shards")
def test_damage_is_refused(tmp_path):
    write(tmp_path / "good.zarr")

    def copy(name: str) -> Path:
        return Path(shutil.copytree(tmp_path / "good.zarr", tmp_path / name))

    def flip(path: Path, at: int) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    (copy("lost") / "activations/c/3/0").unlink()
    with pytest.raises(RecordError, match=r"damaged: 5 of 6 shards"):
        open_activations(tmp_path / "lost")
    flip(copy("chunk") / "activations/c/3/0", 40)
    flip(copy("index") / "activations/c/3/0", -10)
    (copy("cut") / "activations/c/3/0").write_bytes(b"\0" * 100)
    (copy("empty") / "activations/c/3/0").write_bytes(b"")
    for name in ("chunk", "index", "cut", "empty"):
        opened = open_activations(tmp_path / name)
        np.testing.assert_array_equal(opened.values(0, 48), values()[:48])
        with pytest.raises(RecordError, match="is damaged"):
            opened.values(48, 64)
    flip(copy("words") / "words/c/0", 30)
    (copy("gone") / "labels/1/zarr.json").unlink()
    edit_manifest(copy("space"), space={"sites": ["layers.0"], "widths": [3]})
    (copy("text") / "words/c/0").unlink()
    (copy("codes") / "labels/0/c/0").unlink()
    for name in ("words", "gone", "space", "text", "codes"):
        with pytest.raises(RecordError):
            open_activations(tmp_path / name)


def test_words_that_are_not_the_hashed_ones_are_refused(tmp_path):
    write(tmp_path / "a.zarr")
    other = zarr.open_array(tmp_path / "a.zarr/sentences", mode="r+")
    other[1] = 2
    with pytest.raises(RecordError, match="not those it was made from"):
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
from test_store import write
writer = write(Path(sys.argv[1]), shards=1)
print("writing", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_refused_and_a_killed_one_is_not_waited_for(tmp_path):
    store = tmp_path / "s.zarr"
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    command = [sys.executable, "-c", HOLDER, str(store)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, **pipes) as other:
        assert other.stdout.readline() == "writing\n"
        for force in (False, True):
            with pytest.raises(OutputExistsError, match=r"another writer is at work on .*s\.zarr"):
                require_writable(store, force=force)
        with pytest.raises(OutputExistsError, match="another writer"):
            write(store)
        other.kill()
    write(store).close()
    assert np.array_equal(open_activations(store).values(), values())
