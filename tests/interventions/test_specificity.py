"""Specificity: the matrix is that of separate runs, and its intervals are those of paired sentences."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import onegrain as og
from onegrain.activations import live_activations
from onegrain.core.progress import silent
from onegrain.errors import InputError, LabelError, ModelError
from onegrain.interventions.matching import matching_cells
from onegrain.interventions.orders import neuron_orders
from onegrain.interventions.specificity_tables import LabelRises
from onegrain.interventions.template import matched_sets
from onegrain.models import LoadedModel
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from support.tiny import parallel_corpus, plain_corpus

LABELS = ("1", "3", "5")


def ranking(model: LoadedModel, labels: tuple[str, ...] = LABELS, layer: str = "length") -> Ranking:
    space = model.space(["layers.0", "layers.1"] if model.task == "language model" else ["encoder.layers.0"])
    table = np.random.default_rng(1).random((len(labels), space.size))
    provenance = Provenance(stage="rank", model=model.identity, seed=0)
    more: dict[str, Any] = {"layer": layer, "labels": labels, "label_scores": table}
    return Ranking.by_scores("probeless", space, table.max(axis=0), provenance, **more)


@pytest.fixture(scope="module")
def measured(models: dict[str, LoadedModel]) -> og.Specificity:
    model = models["gpt2"]
    return og.specificity(
        model, ranking(model), plain_corpus(), k=4, min_count=2, random_orders=2, resamples=400, batch_size=3
    )


def test_a_cell_is_the_rise_of_the_loss_of_words_with_its_label(
    models: dict[str, LoadedModel], measured: og.Specificity
) -> None:
    model, corpus = models["gpt2"], plain_corpus()
    layer, order = corpus.layer("length"), ranking(model)
    intact = model.word_losses(corpus)
    for edited in LABELS:
        top = order.label(edited)
        with og.erasing(model, top, 4):
            after = model.word_losses(corpus)
        sets = matched_sets(order.space, top.order[:4], 2, 0)
        randoms = []
        for neurons in sets:
            with og.erasing(model, order.space, neurons):
                randoms.append(model.word_losses(corpus))
        for label in LABELS:
            words = intact.predicted & (layer.codes == layer.vocabulary.index(label))
            cells = measured.cells.set_index(["edited", "predicted"]).loc[(edited, label)]
            rise = (after.nll - intact.nll)[words].mean()
            others = [(random.nll - intact.nll)[words].mean() for random in randoms]
            assert cells["words"] == words.sum()
            assert cells["intact"] == pytest.approx(intact.nll[words].mean())
            assert cells["damage"] == pytest.approx(rise, abs=1e-6)
            assert cells["random"] == pytest.approx(np.mean(others), abs=1e-6)
            assert cells["random_high"] == pytest.approx(max(others), abs=1e-6)
            assert cells["excess"] == pytest.approx(rise - np.mean(others), abs=1e-6)


def test_the_contrast_is_own_words_less_the_others(measured: og.Specificity) -> None:
    matrix = measured.matrix("excess").to_numpy()
    rows = measured.contrasts.set_index("label")
    for number, label in enumerate(LABELS):
        others = np.delete(matrix[number], number).mean()
        assert rows.loc[label, "contrast"] == pytest.approx(matrix[number, number] - others)
    assert measured.overall["contrast"] == pytest.approx(rows["contrast"].mean())
    assert measured.overall["low"] <= measured.overall["contrast"] <= measured.overall["high"]
    assert measured.edited == measured.predicted == LABELS


def test_random_sets_have_as_many_neurons_of_each_site() -> None:
    space = NeuronSpace(("a", "b"), (50, 7))
    chosen = np.array([0, 1, 2, 50, 51])
    sets = matched_sets(space, chosen, 4, 3)
    assert [[len(units) for units in space.by_site(drawn).values()] for drawn in sets] == [[3, 2]] * 4
    assert len({drawn.tobytes() for drawn in sets}) == 4
    larger = matched_sets(space, np.arange(10), 4, 3)
    assert all(set(few[few < 50]) <= set(many) for few, many in zip(sets, larger, strict=True))


def test_random_sets_are_the_first_of_the_random_orders_of_a_sweep(models: dict[str, LoadedModel]) -> None:
    order = ranking(models["gpt2"])
    cells = matching_cells("site", order.space)
    orders = neuron_orders(order, ("random",), 3, 5, cells)["random"]
    sets = matched_sets(order.space, order.order[:6], 3, 5)
    assert [drawn.tolist() for drawn in sets] == [sorted(each[:6].tolist()) for each in orders]


def test_a_translation_model_is_measured_on_the_words_of_the_target(models: dict[str, LoadedModel]) -> None:
    model, corpus = models["nmt"], parallel_corpus()
    record = og.specificity(
        model, ranking(model), corpus, k=3, min_count=2, random_orders=2, resamples=100, labels=("3", "5")
    )
    assert corpus.target is not None
    codes = corpus.target.layer("length")
    assert set(record.predicted) == {"3", "5"}
    words = record.cells.set_index(["edited", "predicted"]).loc[("3", "5"), "words"]
    assert words == (codes.codes == codes.vocabulary.index("5")).sum()


def test_it_finds_what_is_specific_and_nothing_else() -> None:
    """Of three labels, the neurons of the first cost its own words one nat, the rest do nothing."""
    rng = np.random.default_rng(5)
    sentences, orders, labels = 200, 3, 3
    words = rng.integers(1, 4, size=(sentences, labels)).astype(float)
    intact = 2.0 * words + rng.normal(size=words.shape)
    runs = [intact, *(intact + 0.3 * rng.normal(size=words.shape) for _ in range(labels * (1 + orders)))]
    runs[1] = runs[1] + np.array([1.0, 0.0, 0.0]) * words
    statistics = np.stack([np.concatenate([run, words], axis=1) for run in runs])
    rises = LabelRises.of(statistics, ("a", "b", "c"), orders)
    cells, contrasts, overall = rises.tables(1000, 0)
    found = cells[cells["q"] <= 0.05]
    assert found[["edited", "predicted"]].to_numpy().tolist() == [["a", "a"]]
    assert found["excess"].iloc[0] == pytest.approx(1.0, abs=0.1)
    assert found["excess_low"].iloc[0] < 1.0 < found["excess_high"].iloc[0]
    assert contrasts.loc[contrasts["q"] <= 0.05, "label"].tolist() == ["a"]
    assert overall["low"] > 0.0
    assert overall["contrast"] == pytest.approx(1 / 3, abs=0.1)


def test_the_pairing_makes_intervals_narrow() -> None:
    """Sentences differ far more than the rise, which is the same in all; so the interval is a point."""
    words = np.ones((50, 2))
    intact = np.random.default_rng(0).normal(scale=10.0, size=words.shape)
    runs = [intact, *(intact + rise for rise in (0.5, 0.25, 0.1, 0.1, 0.1, 0.1))]
    statistics = np.stack([np.concatenate([run, words], axis=1) for run in runs])
    cells, _, _ = LabelRises.of(statistics, ("a", "b"), 2).tables(200, 0)
    assert cells["damage_low"].to_numpy() == pytest.approx([0.5, 0.5, 0.25, 0.25])
    assert cells["excess_high"].to_numpy() == pytest.approx([0.4, 0.4, 0.15, 0.15])


def test_neurons_that_are_like_random_ones_are_not_found() -> None:
    """Every set, chosen or random, has an effect of its own; few cells are called different by chance."""
    rng = np.random.default_rng(3)
    low = cells_n = 0
    for _ in range(60):
        words = rng.integers(1, 3, size=(60, 3)).astype(float)
        runs = [words * (2.0 + (run > 0) * rng.normal(0.2, 0.05, size=3)) for run in range(13)]
        runs = [run + 0.1 * rng.normal(size=run.shape) for run in runs]
        statistics = np.stack([np.concatenate([run, words], axis=1) for run in runs])
        cells, _, _ = LabelRises.of(statistics, ("a", "b", "c"), 3).tables(200, 0)
        low, cells_n = low + int((cells["p"] <= 0.05).sum()), cells_n + len(cells)
    assert low / cells_n <= 0.08


def test_a_loss_that_is_not_finite_is_refused() -> None:
    statistics = np.ones((5, 3, 4))
    statistics[2, 1, 0] = np.nan
    with pytest.raises(ModelError, match="not finite"):
        LabelRises.of(statistics, ("a", "b"), 1)


def test_the_record_is_saved_and_drawn(measured: og.Specificity, tmp_path: Path) -> None:
    measured.save(tmp_path / "s.parquet")
    loaded = og.load(tmp_path / "s.parquet")
    assert loaded.cells.equals(measured.cells)
    pd.testing.assert_frame_equal(loaded.contrasts, measured.contrasts)
    assert loaded.summary() == measured.summary()
    assert loaded.provenance == measured.provenance
    assert og.plot(loaded).to_dict()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 0}, "k must be"),
        ({"labels": ["7"]}, "no label '7'"),
        ({"layer": "upos"}, "no label layer 'upos'"),
        ({"min_count": 1000}, "fewer than 1000"),
        ({"random_orders": 1}, "random_orders"),
        ({"resamples": 10}, "resamples"),
        ({"edit": "mean"}, "needs a reference"),
        ({"labels": ["3"]}, "fewer than two labels"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    models: dict[str, LoadedModel], change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["gpt2"]
    monkeypatch.setattr(import_module("onegrain.interventions.specificity"), "measure_interventions", None)
    with pytest.raises(InputError, match=words):
        og.specificity(model, ranking(model), plain_corpus(), **{"k": 4, "min_count": 2, **change})


def test_a_ranking_without_labels_is_refused(models: dict[str, LoadedModel]) -> None:
    model = models["gpt2"]
    plain = replace(ranking(model), label_scores=None, labels=())
    with pytest.raises(LabelError, match="no order for each label"):
        og.specificity(model, plain, plain_corpus())


def test_the_constants_of_each_label_are_found_on_the_words_of_the_reference(
    models: dict[str, LoadedModel],
) -> None:
    model, corpus = models["gpt2"], plain_corpus()
    order, layer = ranking(model), corpus.layer("length")
    store = live_activations(model, corpus, sites=["layers.0", "layers.1"])
    record = og.specificity(
        model, order, corpus, k=2, labels=["1", "3"], min_count=2, random_orders=2, resamples=100,
        edit="optimal", reference=store,
    )  # fmt: skip
    edit = og.Intervention.of(order.label("3"), 2, edit="optimal")
    constants = og.optimal_constants(model, corpus, edit, reference=store, progress=silent)
    intact = model.word_losses(corpus)
    with og.editing(model, edit, reference=constants):
        after = model.word_losses(corpus)
    words = intact.predicted & (layer.codes == layer.vocabulary.index("1"))
    cells = record.cells.set_index(["edited", "predicted"])
    assert cells.loc[("3", "1"), "damage"] == pytest.approx((after.nll - intact.nll)[words].mean(), abs=1e-5)
