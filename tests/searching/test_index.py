"""An index says of every neuron what numpy, top words and cards say of the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from onegrain.analyses import neuron_cards, top_words
from onegrain.errors import MismatchError, ModelError, OutputExistsError, ParameterError, RecordError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.searching import NeuronIndex, index_neurons, index_path, search
from onegrain.searching.layout import GROUPS, LABEL_SHARES, NEURONS, SHARES, STATISTICS
from onegrain.searching.options import IndexOptions
from support.indexed import CONSTANT, FOLLOWS, HUGE, TIED, ZEROS, Indexed, write

AWKWARD = [0, CONSTANT, TIED, ZEROS, HUGE, FOLLOWS, 69, 70, 149]


@pytest.mark.parametrize("neuron", AWKWARD)
def test_statistics_words_and_contexts_are_those_of_a_card(indexed: Indexed, neuron: int) -> None:
    card = neuron_cards(indexed.activations, [neuron], n=10).cards[0]
    entry = indexed.index.neuron(neuron)
    assert (entry.name, entry.neuron) == (card.name, neuron)
    assert entry.statistics == card.statistics
    assert (entry.high, entry.low) == (card.high, card.low)
    assert indexed.index.statistics.of(neuron) == card.statistics
    assert indexed.index.neuron(card.name) == entry


@pytest.mark.parametrize("neuron", AWKWARD)
def test_quantiles_and_histogram_are_those_of_numpy(indexed: Indexed, neuron: int) -> None:
    values = indexed.values[:, neuron].astype(np.float64)
    entry = indexed.index.neuron(neuron)
    shares, quantiles = zip(*entry.quantiles, strict=True)
    assert shares == SHARES
    assert quantiles == tuple(np.quantile(values, SHARES).tolist())
    counts, edges = np.histogram(values, 40)
    assert entry.edges == tuple(edges.tolist())
    assert entry.counts == tuple(counts.tolist())


@pytest.mark.parametrize("neuron", AWKWARD)
def test_labels_are_described_by_their_words(indexed: Indexed, neuron: int) -> None:
    activations, values = indexed.activations, indexed.values[:, neuron].astype(np.float64)
    entry = indexed.index.neuron(neuron)
    assert [(label.layer, label.label) for label in entry.labels] == list(indexed.index.labels)
    middle = rankdata(values)
    for label in entry.labels:
        mask = np.zeros(activations.n_words, dtype=bool)
        mask[activations.words_of(label.layer, label.label)] = True
        inside = mask[activations.present]
        of_label = values[inside]
        assert label.words == len(of_label)
        assert label.mean == pytest.approx(of_label.mean(), rel=1e-12, abs=1e-12)
        assert label.std == pytest.approx(of_label.std(), rel=1e-12, abs=1e-12)
        assert label.quantiles == tuple(np.quantile(of_label, LABEL_SHARES).tolist())
        assert label.counts == tuple(np.histogram(of_label, np.array(entry.edges))[0].tolist())
        pairs = inside.sum() * (~inside).sum()
        above = middle[inside].sum() - inside.sum() * (inside.sum() + 1) / 2
        assert label.auroc == pytest.approx(above / pairs, rel=1e-14)


def test_samples_lie_in_their_ranges_and_are_drawn_by_the_seed(indexed: Indexed, tmp_path: Path) -> None:
    entry = indexed.index.neuron(FOLLOWS)
    values = np.sort(indexed.values[:, FOLLOWS])
    assert [len(sample.contexts) for sample in entry.samples] == [5] * 5
    assert (entry.samples[0].low, entry.samples[-1].high) == (0.0, 1.0)
    corpus = indexed.activations.corpus
    for sample in entry.samples:
        start, end = round(sample.low * len(values)), round(sample.high * len(values))
        assert (sample.minimum, sample.maximum) == (values[start], values[end - 1])
        drawn = [context.value for context in sample.contexts]
        assert drawn == sorted(drawn)
        for context in sample.contexts:
            assert sample.minimum <= context.value <= sample.maximum
            row = int(corpus.offsets[context.sentence]) + context.position
            assert corpus.words[row] == context.word
            assert indexed.activations.values(row, row + 1)[0, FOLLOWS] == context.value
    again = index_neurons(indexed.activations, path=tmp_path / "a.index")
    other = index_neurons(indexed.activations, path=tmp_path / "b.index", options=IndexOptions(seed=1))
    assert again.neuron(FOLLOWS) == entry
    assert other.neuron(FOLLOWS).samples != entry.samples
    samples = again.neuron(CONSTANT).samples
    assert all(context.deviation == 0 for sample in samples for context in sample.contexts)


def test_rare_labels_are_left_out_and_counted(indexed: Indexed) -> None:
    assert indexed.index.labels == (
        ("class", "NOUN"),
        ("class", "VERB"),
        ("position", "0"),
        ("position", "1"),
        ("position", "2"),
    )
    assert indexed.index.left_out == {"class": 1, "position": 0}
    assert [label.label for label in indexed.index.neuron(0).labels_of("class")] == ["NOUN", "VERB"]


def test_an_index_may_be_without_labels_and_with_one(indexed: Indexed, tmp_path: Path) -> None:
    options = IndexOptions(max_labels=1, n=3, bins=4, ranges=2, samples=1)
    index = index_neurons(indexed.activations, path=tmp_path / "one.index", options=options)
    assert len(index.labels) == 1
    entry = index.neuron(1)
    assert (len(entry.labels), len(entry.counts), len(entry.samples)) == (1, 4, 2)
    assert len(entry.high.words) == 3
    without = index_neurons(
        indexed.activations, path=tmp_path / "none.index", options=IndexOptions(min_words=10**6)
    )
    assert without.labels == ()
    assert without.neuron(1).counts == indexed.index.neuron(1).counts


def test_tiles_and_memory_do_not_change_a_byte_of_a_neuron(indexed: Indexed, tmp_path: Path) -> None:
    whole = index_neurons(indexed.activations, path=tmp_path / "whole.index", buffer="1GiB")
    assert (indexed.index.rows.tiles, whole.rows.tiles) == (3, 1)
    quick, slow = (search(indexed.activations, regex="ing.+", index=index) for index in (indexed.index, whole))
    np.testing.assert_array_equal(quick.auroc, slow.auroc)
    np.testing.assert_array_equal(quick.mean_difference, slow.mean_difference)
    assert (indexed.index.path / NEURONS).read_bytes() == (whole.path / NEURONS).read_bytes()


def test_statistics_of_all_neurons(indexed: Indexed) -> None:
    table = indexed.index.statistics.to_pandas(indexed.index.space)
    assert table["site"].value_counts().to_dict() == {"layers.1": 80, "layers.0": 70}
    np.testing.assert_array_equal(table["maximum"], indexed.values.max(axis=0))
    np.testing.assert_array_equal(table["share_positive"], (indexed.values > 0).mean(axis=0))
    assert np.flatnonzero(table["constant"]).tolist() == [CONSTANT]
    summary = indexed.index.summary()
    assert (summary["words"], summary["constant neurons"]) == (len(indexed.values), 1)


def test_an_index_is_beside_its_store_and_opened_again(indexed: Indexed) -> None:
    place = index_path(indexed.activations)
    assert place == Path(indexed.activations.path).with_suffix(".index")  # type: ignore[arg-type]
    assert index_path("a/b") == Path("a/b.index")
    assert index_path("s3://bucket/a.zarr").parent.name == "onegrain"
    before = (place / STATISTICS).stat().st_mtime_ns
    assert index_neurons(str(indexed.activations.path)).neuron(2) == indexed.index.neuron(2)
    assert (place / STATISTICS).stat().st_mtime_ns == before
    with pytest.raises(OutputExistsError, match="other options"):
        index_neurons(indexed.activations, options=IndexOptions(bins=7))


def test_the_index_of_another_or_rewritten_store_is_refused(indexed: Indexed, tmp_path: Path) -> None:
    other = write(tmp_path, seed=1)
    shutil.copytree(indexed.index.path, tmp_path / "store.index")
    with pytest.raises(MismatchError, match="written anew since then; make it again"):
        NeuronIndex.open(other)
    with pytest.raises(OutputExistsError, match="--force"):
        index_neurons(other)
    assert index_neurons(other, force=True).neuron(0) != indexed.index.neuron(0)
    assert index_neurons(other).neuron(0) == NeuronIndex.open(other).neuron(0)


def read_all(index: NeuronIndex) -> None:
    for neuron in range(len(index)):
        index.neuron(neuron)
    index.groups.read(0, index.rows.tiles * index.rows.pieces)


@pytest.mark.parametrize("name", [NEURONS, STATISTICS, GROUPS, "index.json"])
def test_a_flipped_bit_is_noticed(indexed: Indexed, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy.index"
    shutil.copytree(indexed.index.path, copy)
    damaged = bytearray((copy / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / name).write_bytes(damaged)
    with pytest.raises(RecordError, match=r"damaged|checksum|JSON"):
        read_all(NeuronIndex.open(indexed.activations, copy))
    (copy / name).unlink()
    with pytest.raises(RecordError, match=r"lost|does not exist"):
        NeuronIndex.open(indexed.activations, copy)


def test_refusals(indexed: Indexed, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="onegrain index"):
        NeuronIndex.open(indexed.activations, tmp_path / "none.index")
    with pytest.raises(ParameterError, match="restricted to some sites"):
        index_neurons(indexed.activations.restrict("layers.0"))
    corpus = Corpus.from_sentences([["a", "b"]])
    with pytest.raises(ParameterError, match="in memory"):
        index_neurons(Activations.from_array(np.eye(2, dtype=np.float32), corpus))
    with pytest.raises(ModelError, match=r"no neuron 'layers\.9:0'"):
        indexed.index.neuron("layers.9:0")
    with pytest.raises(ParameterError, match="outside"):
        indexed.index.neuron(150)
    folder = tmp_path / "thesis.index"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        index_neurons(indexed.activations, path=folder, force=True)
    assert (folder / "thesis.txt").read_text() == "mine"


def test_an_interrupted_run_leaves_nothing(
    indexed: Indexed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("onegrain.searching.indexing.write_header", stop)
    with pytest.raises(KeyboardInterrupt):
        index_neurons(indexed.activations, path=tmp_path / "new.index")
    assert list(tmp_path.iterdir()) == []


def test_top_words_of_one_neuron_are_those_among_all(indexed: Indexed) -> None:
    among_all = top_words(indexed.activations, list(range(150)), 4)
    for neuron in AWKWARD:
        assert top_words(indexed.activations, [neuron], 4)[0].to_json() == among_all[neuron].to_json()


def test_progress_counts_the_neurons_and_the_word_types(indexed: Indexed, tmp_path: Path) -> None:
    tasks: list[list] = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        tasks.append([description, unit, total, 0])

        def advance(done: int) -> None:
            tasks[-1][-1] += done

        yield advance

    index_neurons(indexed.activations, path=tmp_path / "new.index", buffer="500KB", progress=progress)
    search(indexed.activations, regex="ing.+", progress=progress)
    search(indexed.activations.restrict("layers.1"), words="w2", progress=progress)
    assert [task[:2] for task in tasks] == [
        ["index", "neurons"],
        ["search", "word types"],
        ["search", "neurons"],
    ]
    assert [task[2] for task in tasks][::2] == [150, 80]
    assert all(total == done for *_, total, done in tasks)
