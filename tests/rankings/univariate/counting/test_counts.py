"""What one pass counts: the same wherever the values lie, whatever threads share it, and whole or refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onegrain.activations import open_activations
from onegrain.activations.store.writer import StoreContent, write_store
from onegrain.errors import ParameterError, RecordError
from onegrain.rankings.univariate.counting.counts import Counts, _stripes, count
from onegrain.rankings.univariate.counting.grouped_words import labelled_words
from onegrain.records.activations import Activations
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer

NEEDS = ("histogram", "positive", "range")
WORDS, NEURONS, LABELS = 5000, 200, 3


class Elsewhere:
    """An array that is read whole rows at a time, as of a model that runs."""

    ndim = 2

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.read = np.zeros(values.shape, dtype=int)

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        self.read[key] += 1
        return self.values[key]


@pytest.fixture(scope="module")
def acts() -> Activations:
    """Values of all sizes, some words without label and some without activation."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((WORDS, NEURONS)) * 10.0 ** rng.integers(-3, 4, NEURONS) + rng.normal(
        size=NEURONS
    )
    codes = rng.integers(0, LABELS, WORDS).astype(np.int32)
    codes[::9] = UNLABELLED
    missing = np.zeros(WORDS, dtype=bool)
    missing[5::50] = True
    corpus = Corpus.from_sentences([["w"] * 20 for _ in range(WORDS // 20)])
    corpus = corpus.with_layer(LabelLayer("x", codes, tuple("abc")))
    return replace(Activations.from_array(values.astype(np.float32), corpus), missing=missing)


@pytest.fixture
def threads() -> Iterator[None]:
    """Three of them, and stripes of a few chunks."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def stored(acts: Activations, path: Path) -> Activations:
    """The same in a store of four times three chunks."""
    content = StoreContent(acts.corpus, acts.space, acts.provenance, "float32")
    write_store(path, content, [acts.array], force=False)
    return replace(open_activations(path), missing=acts.missing)


def counted(acts: Activations) -> Counts:
    (counts,) = count(labelled_words(acts, "x"), NEEDS)
    return counts


def same(first: Counts, other: Counts) -> None:
    for mine, theirs in zip(first.spreads, other.spreads, strict=True):
        assert mine.words == theirs.words
        np.testing.assert_array_equal(mine.mean, theirs.mean)
        np.testing.assert_array_equal(mine.squares, theirs.squares)
    assert first.cells is not None
    assert other.cells is not None
    np.testing.assert_array_equal(first.cells.unit, other.cells.unit)
    for name in ("words", "positive", "extremes", "histogram"):
        np.testing.assert_array_equal(getattr(first, name), getattr(other, name))


def test_the_counts_are_those_of_numpy(acts: Activations) -> None:
    counts, codes = counted(acts), np.where(acts.present, acts.layer("x").codes, UNLABELLED)
    values = acts.values()
    for code in range(LABELS):
        values_of_label = values[codes == code].astype(np.float64)
        assert counts.spreads[code].mean == pytest.approx(values_of_label.mean(axis=0), rel=1e-12, abs=1e-12)
        assert counts.spreads[code].squares == pytest.approx(
            values_of_label.var(axis=0) * len(values_of_label), rel=1e-12
        )
        np.testing.assert_array_equal(counts.positive[code], (values_of_label > 0).sum(axis=0))
        cells = counts.cells.of_values(values[codes == code])
        for neuron in range(0, NEURONS, 7):
            expected = np.bincount(cells[:, neuron], minlength=256)
            np.testing.assert_array_equal(counts.histogram[neuron, code], expected)
    kept = values[codes >= 0]
    np.testing.assert_array_equal(counts.extremes, [kept.min(axis=0), kept.max(axis=0)])
    assert counts.histogram.sum() == len(kept) * NEURONS


@pytest.mark.usefixtures("threads")
def test_they_do_not_depend_on_where_the_values_lie(
    acts: Activations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk, elsewhere = stored(acts, tmp_path / "x.zarr"), replace(acts, array=Elsewhere(acts.array))
    assert [acts_kind.column_step for acts_kind in (on_disk, acts, elsewhere)] == [50, 1, None]
    expected = counted(elsewhere)
    same(counted(acts), expected)
    monkeypatch.setattr("onegrain.rankings.univariate.counting.counts.STRIPE", 60)
    same(counted(on_disk), expected)
    same(counted(acts), expected)


def test_words_elsewhere_are_read_once_to_lay_the_cells_out_and_once_to_count(acts: Activations) -> None:
    array = Elsewhere(acts.array)
    counted(replace(acts, array=array))
    assert (array.read == 2).all()


def test_memory_does_not_grow_with_the_words() -> None:
    class Made(Elsewhere):
        column_step = 1

        def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
            return (
                np.float32(key[0].start) + self.values[key[1]] + np.zeros((key[0].stop - key[0].start, 1), "f4")
            )

    def peak(n_words: int) -> int:
        array = Made(np.arange(64, dtype=np.float32))
        array.shape = n_words, 64
        codes = np.arange(n_words, dtype=np.int32) % 3
        corpus = Corpus.from_sentences([["w"] * n_words]).with_layer(LabelLayer("x", codes, tuple("abc")))
        acts = Activations.from_array(array, corpus)
        tracemalloc.start()
        try:
            assert counted(acts).histogram.sum() == n_words * 64
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = 20_000, 120_000
    assert peak(many) - peak(few) < 32 * (many - few)  # words and labels; the values have 256 bytes a word


@pytest.mark.usefixtures("threads")
def test_progress_is_told_of_all_neurons_once(acts: Activations) -> None:
    told: dict[tuple[str, int, str], int] = {}

    @contextmanager
    def progress(description: str, total: int, unit: str):
        task = description, total, unit
        told[task] = 0

        def advance(done: int) -> None:
            told[task] += done

        yield advance

    list(count(labelled_words(acts, "x", progress), NEEDS))
    assert told == {("counts", NEURONS, "neurons"): NEURONS}


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("needs", [(), NEEDS])
def test_the_first_word_with_a_value_that_is_not_finite_is_named(
    acts: Activations, needs: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onegrain.rankings.univariate.counting.counts.STRIPE", 20)
    values = acts.array.copy()
    values[4990, 3] = values[4501, 90] = np.inf
    values[2501, 199] = -np.inf
    values[2503, 0] = np.nan
    values[9, 7] = np.inf  # has no label
    for array in (values, Elsewhere(values)):
        with pytest.raises(ParameterError, match=r"4 activations .* layers\.0:199 at word 2501"):
            list(count(labelled_words(replace(acts, array=array), "x"), needs))


@pytest.mark.usefixtures("threads")
def test_a_damaged_chunk_is_named(acts: Activations, tmp_path: Path) -> None:
    on_disk = stored(acts, tmp_path / "x.zarr")
    shard = tmp_path / "x.zarr" / "activations" / "c" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[2048 * 50 * 4 + 400] ^= 1  # in the second chunk
    shard.write_bytes(data)
    with pytest.raises(RecordError, match=r"words 0 to 2047, neurons layers\.0:50 to layers\.0:99"):
        counted(on_disk)


@given(st.integers(0, 500), st.integers(1, 3000), st.sampled_from([1, 50, 63, 64]), st.integers(1, 16))
def test_stripes_cut_no_chunk_and_occupy_all_threads(start: int, size: int, step: int, threads: int) -> None:
    stripes = _stripes(slice(start, start + size), step, threads)
    assert [column for stripe in stripes for column in range(stripe.start, stripe.stop)] == list(
        range(start, start + size)
    )
    assert all(stripe.start % step == 0 for stripe in stripes[1:])
    chunks = -(-(start + size) // step) - start // step
    assert len(stripes) == chunks or len(stripes) % threads == 0
    assert max(stripe.stop - stripe.start for stripe in stripes) < 512 + step
