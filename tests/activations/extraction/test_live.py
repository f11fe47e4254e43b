"""Test that live activations equal a store's to the bit, with one run of the model per pass, in any process."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import onegrain
from onegrain.activations import extract, live_activations, to_xarray
from onegrain.activations.extraction.reader import Reader
from onegrain.engines import engine_named
from onegrain.errors import CorpusError, EngineError, MismatchError, ModelError, ParameterError
from onegrain.models import load_model
from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus, plain_corpus, tiny_nlm


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use groups of 20 words for the store and for the live array."""
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 20)
    monkeypatch.setattr("onegrain.activations.extraction.extract.READ_BYTES", 1)


@pytest.fixture
def groups_read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Collect the groups that readers are asked to read."""
    seen: list[tuple[int, int]] = []
    read = Reader.read

    def noted(self, words, advance):
        seen.append(words)
        return read(self, words, advance)

    monkeypatch.setattr(Reader, "read", noted)
    return seen


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list:
    folder = tmp_path_factory.mktemp("pair")
    return [load_model(tiny_nlm(folder / str(seed), seed=seed), device="cpu") for seed in (1, 2)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nlm", {}),
        ("bert", {"aggregate": "mean", "sites": "layers.*", "special_tokens": True}),
        ("gpt2", {"aggregate": "first", "sites": "layers.1"}),
        ("nmt", {"side": "target"}),
    ],
)
@pytest.mark.usefixtures("small_groups")
def test_the_record_is_that_of_extract_to_the_bit(models, tmp_path, name, options):
    store = extract(models[name], parallel_corpus(), tmp_path / "a.zarr", **options)
    live = live_activations(models[name], parallel_corpus(), **options)
    np.testing.assert_array_equal(live.values(), store.values())
    assert live.array.dtype == np.float32
    assert live.provenance == store.provenance
    assert (live.space, live.path) == (store.space, None)
    assert live.corpus.words == store.corpus.words
    for layer in store.corpus.layers:
        assert live.layer(layer).labels() == store.layer(layer).labels()


@pytest.mark.usefixtures("small_groups")
def test_it_is_sliced_as_numpy_slices(models):
    live = live_activations(models["nlm"], plain_corpus())
    array, values = live.array, live.values().copy()
    assert (len(array), array.shape, array.ndim) == (*values.shape[:1], values.shape, 2)
    keys = [3, -1, slice(15, 45), slice(None, None, -7), (slice(5, 25), slice(3, 9)), (4, 5), (slice(None), 2)]
    for key in keys:
        np.testing.assert_array_equal(array[key], values[key])
    rows, columns = np.array([1, 19, 20, 66]), np.array([0, 7, 40])
    np.testing.assert_array_equal(array.take(rows, columns), values[rows][:, columns])
    np.testing.assert_array_equal(live.take(rows[::-1], ["layers.1:2"]), values[rows[::-1]][:, [34]])
    np.testing.assert_array_equal(live.neuron("layers.0:3"), values[:, 19])
    np.testing.assert_array_equal(live.restrict("layers.0").values(18, 22), values[18:22, 16:32])
    np.testing.assert_array_equal(np.asarray(array), values)
    for outside in (len(array), (0, 48)):
        with pytest.raises(IndexError):
            array[outside]


def test_it_is_seen_in_xarray(models):
    pytest.importorskip("xarray", reason="a view in xarray needs it")
    live = live_activations(models["nlm"], plain_corpus())
    np.testing.assert_array_equal(to_xarray(live)[3:9, 5].values, live.values(3, 9)[:, 5])


@pytest.mark.usefixtures("small_groups")
def test_a_block_stays_as_it_is_when_others_are_read(models):
    live = live_activations(models["nlm"], plain_corpus())
    first = live.values(0, 20)
    kept = first.copy()
    live.values(20, 60)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.usefixtures("small_groups")
def test_a_pass_in_order_runs_the_model_once(models, groups_read):
    live = live_activations(models["nlm"], plain_corpus())
    assert groups_read == []
    n_words = live.n_words
    for start in range(0, n_words, 7):
        live.values(start, min(start + 7, n_words))
    assert groups_read == [(start, min(start + 20, n_words)) for start in range(0, n_words, 20)]
    live.take([45])
    assert groups_read[-1] == (40, 60)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("method", ["maxcorr", "mean", "f-statistic", "mutual-information", "random"])
def test_rankings_are_those_of_stores(pair, tmp_path, monkeypatch, groups_read, method):
    stores = [extract(m, plain_corpus(), tmp_path / f"{number}.zarr") for number, m in enumerate(pair)]
    lives = [live_activations(model, plain_corpus()) for model in pair]
    groups_read.clear()
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", 13)

    def ranked(first: Activations, second: Activations):
        others = [second] if method == "maxcorr" else []
        label = "length" if method in ("f-statistic", "mutual-information") else None
        return rank(method, first, others=others, label=label)

    ranking, expected = ranked(*lives), ranked(*stores)
    np.testing.assert_array_equal(ranking.scores, expected.scores)
    np.testing.assert_array_equal(ranking.order, expected.order)
    assert ranking.provenance == expected.provenance
    passes = {"maxcorr": 2, "mutual-information": 2, "random": 0}.get(method, 1)
    assert len(groups_read) == passes * len(range(0, lives[0].n_words, 20))
    if method == "maxcorr":
        assert ranking.details["models"] == [pair[1].identity.id]
        with pytest.raises(MismatchError, match="the same model"):
            ranked(lives[0], stores[0])


def test_words_without_activation_are_known_before_anything_is_read(models, tmp_path, groups_read):
    corpus = Corpus.from_sentences([["a"], ["dog"] * 60, ["rain", "!"]])
    with pytest.raises(CorpusError, match="long=window or long=truncate"):
        live_activations(models["gpt2"], corpus)
    live = live_activations(models["gpt2"], corpus, long="truncate")
    assert groups_read == []
    store = extract(models["gpt2"], corpus, tmp_path / "a.zarr", long="truncate")
    np.testing.assert_array_equal(live.missing, store.missing)
    np.testing.assert_array_equal(live.values(), store.values())
    np.testing.assert_array_equal(rank("std", live).scores, rank("std", store).scores)


@pytest.mark.usefixtures("small_groups")
def test_it_is_pickled_without_the_model(models, tmp_path):
    live = live_activations(models["nlm"], plain_corpus())
    data = pickle.dumps(live)
    assert len(data) < 20_000
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.values(), live.values())
    assert again.provenance == live.provenance
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again)).values(5, 9), live.values(5, 9))


def test_a_model_that_is_another_where_it_is_unpickled_is_refused(tmp_path):
    folder = tiny_nlm(tmp_path / "model", seed=5)
    live = live_activations(folder, plain_corpus())
    data = pickle.dumps(live)
    tiny_nlm(folder, seed=6)
    with pytest.raises(EngineError, match="differ from those of your model"):
        pickle.loads(data).values()
    (Path(folder) / "config.json").unlink()
    with pytest.raises(EngineError, match="a worker cannot load the model"):
        pickle.loads(data).values()


def test_a_value_that_is_not_finite_is_refused_every_time(models):
    live = live_activations(models["nlm"], plain_corpus())
    point = models["nlm"].points["layers.1"]
    with models["nlm"].editing({point: lambda value: value * float("nan")}):
        for _ in range(3):
            with pytest.raises(ModelError, match=r"nan at layers\.1:"):
                live.values()
    assert np.isfinite(live.values()).all()


@pytest.mark.parametrize(
    ("name", "options", "error", "text"),
    [
        ("nlm", {"sites": "layers.9"}, ModelError, "the sites are: embeddings, layers.0, layers.1"),
        ("nlm", {"aggregate": "max"}, ParameterError, "last, first, mean"),
        ("nlm", {"batch_size": 0}, ParameterError, "at least 1"),
        ("nmt", {"sites": "**"}, ParameterError, "extract two stores"),
        ("nlm", {"corpus": Corpus.from_sentences([])}, CorpusError, "no words"),
    ],
)
def test_impossible_options_are_refused(models, name, options, error, text):
    with pytest.raises(error, match=text):
        onegrain.live_activations(models[name], **{"corpus": parallel_corpus(), **options})


@pytest.mark.usefixtures("small_groups", "two_cpus_of_ray")
def test_workers_of_ray_run_the_models(pair, monkeypatch):
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.SHARD_ROWS", 30)
    lives = [live_activations(model, plain_corpus()) for model in pair]
    local = rank("maxcorr", lives[0], others=lives[1:])
    remote = rank("maxcorr", lives[0], others=lives[1:], engine=engine_named("ray", workers=2))
    np.testing.assert_array_equal(remote.scores, local.scores)
