from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onegrain.core.progress import Progress, silent
from onegrain.errors import MismatchError, ParameterError
from onegrain.interventions import ablate, erasing, sweep_counts
from onegrain.metrics import BLEU, Measurement, Metric, Perplexity
from onegrain.models import LoadedModel, load_model
from onegrain.records.corpus import Corpus
from onegrain.records.curve import Curve
from onegrain.records.parquet import open_table, write_table
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from support.planted_models import KEY, alternating_corpus, planted_nlm
from support.rankings import ranking_of
from support.rankings import shuffled as random_ranking
from support.tiny import parallel_corpus, plain_corpus, tiny_nlm, tiny_nmt


@pytest.fixture(scope="module")
def nlm(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(tiny_nlm(tmp_path_factory.mktemp("models") / "nlm"), device="cpu")


@pytest.fixture(scope="module")
def nmt(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(tiny_nmt(tmp_path_factory.mktemp("models") / "nmt"), device="cpu")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(planted_nlm(tmp_path_factory.mktemp("models") / "planted"), device="cpu")


def shuffled(loaded: LoadedModel, seed: int = 11, sites: str | None = None) -> Ranking:
    return random_ranking(loaded.space(sites), seed)


def hooks_of(loaded: LoadedModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in loaded.model.modules())


class Counting(Metric):
    """The perplexity of another metric, counting how often it is asked."""

    def __init__(self, inner: Metric, stop_at: int = 10**9) -> None:
        self.inner = inner
        self.asked = 0
        self.stop_at = stop_at

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def higher_is_better(self) -> bool:
        return self.inner.higher_is_better

    @property
    def corpus(self) -> Corpus:
        return self.inner.corpus

    @property
    def parameters(self) -> dict[str, Any]:
        return self.inner.parameters

    def measure(self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = silent) -> Measurement:
        self.asked += 1
        if self.asked >= self.stop_at:
            raise KeyboardInterrupt
        return self.inner.measure(model, batch_size=batch_size, progress=progress)


def test_each_point_is_the_model_with_these_neurons_masked(nlm: LoadedModel) -> None:
    """Reference: a hook written here multiplies each site by a mask."""
    ranking, metric = shuffled(nlm), Perplexity(plain_corpus())
    curve = ablate(nlm, ranking, metric, counts=[7, 30], lines=["top", "bottom"])
    for line, order in (("top", ranking.order), ("bottom", ranking.order[::-1])):
        for count in (7, 30):
            mask = torch.ones(ranking.space.size)
            mask[order[:count].copy()] = 0
            masks = dict(zip(("embeddings", "layers.0", "layers.1"), mask.split(16), strict=True))
            modules = {
                "embeddings": "embeddings_site",
                "layers.0": "layers.0.site",
                "layers.1": "layers.1.site",
            }
            handles = [
                nlm.model.get_submodule(modules[site]).register_forward_hook(
                    lambda module, inputs, output, part=part: output * part
                )
                for site, part in masks.items()
            ]
            expected = metric.measure(nlm)
            for handle in handles:
                handle.remove()
            row = curve.line(line).set_index("neurons").loc[count]
            measured = row[["value", "low", "high"]].tolist()
            assert measured == pytest.approx([expected.value, expected.low, expected.high], rel=1e-6)


def test_the_planted_neuron_makes_the_curve(planted: LoadedModel) -> None:
    """The top line jumps with the first neuron and stays; the bottom line holds until the last one."""
    order = [KEY, *(unit for unit in range(8) if unit != KEY)]
    ranking = ranking_of(planted.space("layers.0"), order)
    curve = ablate(planted, ranking, Perplexity(alternating_corpus()), counts=range(9), random_orders=3)
    size = float(planted.model.config.vocab_size)
    assert curve.line("top")["value"].tolist() == pytest.approx([curve.intact] + [size] * 8)
    assert curve.line("bottom")["value"].tolist() == pytest.approx([curve.intact] * 8 + [size])
    randomly = curve.line("random")
    assert randomly["value"].is_monotonic_increasing
    rng = np.random.default_rng(0)
    places = [rng.permutation(8).tolist().index(KEY) for _ in range(3)]
    for erased, value, low, high in randomly[["neurons", "value", "low", "high"]].itertuples(index=False):
        each = [size if erased > place else curve.intact for place in places]
        assert [value, low, high] == pytest.approx([sum(each) / 3, min(each), max(each)])


def test_the_ends_are_the_intact_and_the_emptied_model(nlm: LoadedModel) -> None:
    metric = Perplexity(plain_corpus())
    curve = ablate(nlm, shuffled(nlm), metric, steps=3, random_orders=2)
    for line in ("top", "bottom", "random"):
        rows = curve.line(line)
        assert rows["neurons"].tolist() == [0, 5, 21, 48]
        assert rows["value"].iloc[0] == pytest.approx(metric.measure(nlm).value)
        assert rows["value"].iloc[-1] == pytest.approx(nlm.model.config.vocab_size, rel=1e-5)
    assert curve.n_neurons == 48
    assert (curve.points["low"] <= curve.points["value"]).all()
    assert (curve.points["value"] <= curve.points["high"]).all()


def test_equal_sets_are_measured_once(nlm: LoadedModel) -> None:
    metric = Counting(Perplexity(plain_corpus().head(2)))
    curve = ablate(nlm, shuffled(nlm), metric, counts=[0, 10, 48], random_orders=3)
    assert metric.asked == 2 + 5  # none and all; top, bottom and three random orders at 10
    assert len(curve.points) == 9


def test_the_order_of_neurons_within_a_step_does_not_matter(nlm: LoadedModel) -> None:
    space, metric = nlm.space(), Perplexity(plain_corpus())
    first = ablate(nlm, ranking_of(space, range(48)), metric, counts=[16, 32], lines="top")
    blocks = np.arange(48).reshape(3, 16)[:, ::-1].ravel()
    second = ablate(nlm, ranking_of(space, blocks), metric, counts=[16, 32], lines="top")
    assert first.points.equals(second.points)


def test_batches_do_not_matter_for_translation_either(nmt: LoadedModel) -> None:
    """An erased model that does not end its sentences is cut by the sentence, not by its batch."""
    metric = BLEU(parallel_corpus(), max_new_tokens=60)
    ranking = shuffled(nmt)
    together, singly = (
        ablate(nmt, ranking, metric, counts=[40], lines="top", batch_size=size) for size in (64, 1)
    )
    assert together.points.equals(singly.points)
    assert together.higher_is_better
    assert together.signature.endswith("|beams:1")
    with erasing(nmt, ranking.space, ranking.order[:40]):
        translations = nmt.translate(parallel_corpus(), max_new_tokens=60)
        assert translations == nmt.translate(parallel_corpus(), max_new_tokens=60, batch_size=1)
    assert len(translations[4]) < len(translations[5]) / 2  # "rain !" beside the longest sentence


def test_random_orders_come_from_the_seed(nlm: LoadedModel) -> None:
    metric = Perplexity(plain_corpus().head(3))

    def randomly(orders: int, seed: int, ranking: Ranking) -> Curve:
        options: dict[str, Any] = {"counts": [12], "lines": ["random"], "match": "none"}
        return ablate(nlm, ranking, metric, random_orders=orders, seed=seed, **options)

    first = randomly(3, 0, shuffled(nlm))
    assert first.points.equals(randomly(3, 0, shuffled(nlm, seed=9)).points)
    assert not first.points.equals(randomly(3, 1, shuffled(nlm)).points)
    fewer = randomly(2, 0, shuffled(nlm)).details["random_values"]
    assert fewer == first.details["random_values"][:2]


def test_the_record_says_what_it_was_made_from(nlm: LoadedModel, tmp_path: Path) -> None:
    ranked_from = Provenance(stage="rank", model=nlm.identity, parameters={"method": "given"})
    ranking = ranking_of(nlm.space(), range(48), ranked_from)
    curve = ablate(nlm, ranking, Perplexity(plain_corpus()), counts=[4], random_orders=2, seed=7)
    provenance = curve.provenance
    assert provenance.stage == "ablate"
    assert provenance.model == nlm.identity
    assert provenance.corpus is not None
    assert provenance.corpus.content_hash == plain_corpus().content_hash
    assert provenance.sites == ("embeddings", "layers.0", "layers.1")
    assert provenance.inputs == (ranked_from,)
    assert provenance.seed == 7
    assert provenance.parameters == {
        "metric": {"name": "perplexity"},
        "counts": [0, 4],
        "lines": ["top", "bottom", "random"],
        "edit": "zero",
        "random_orders": 2,
        "match": "site",
    }
    curve.save(tmp_path / "curve.parquet")
    again = Curve.load(tmp_path / "curve.parquet")
    assert again.provenance == provenance
    assert again.points.equals(curve.points)
    assert again.details == curve.details


def test_progress_counts_the_measurements(nlm: LoadedModel) -> None:
    seen: list[tuple[str, int, int]] = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        seen.append((description, total, sum(done)))

    metric = Perplexity(plain_corpus().head(2))
    ablate(nlm, shuffled(nlm), metric, counts=[0, 10, 48], random_orders=3, progress=progress)
    assert seen == [("ablate", 7, 7)]


def test_a_sweep_cut_off_leaves_the_model_as_it_was(nlm: LoadedModel) -> None:
    metric = Perplexity(plain_corpus())
    before = metric.measure(nlm).value
    with pytest.raises(KeyboardInterrupt):
        ablate(nlm, shuffled(nlm), Counting(metric, stop_at=3), counts=[0, 10, 20])
    assert hooks_of(nlm) == 0
    assert metric.measure(nlm).value == before


def test_a_folder_is_loaded(tmp_path: Path) -> None:
    folder = tiny_nlm(tmp_path / "nlm")
    loaded = load_model(folder, device="cpu")
    metric = Perplexity(plain_corpus().head(2))
    curve = ablate(folder, shuffled(loaded), metric, counts=[3], lines="top")
    assert curve.provenance.model == loaded.identity


def test_counts() -> None:
    assert sweep_counts(48, steps=4) == [0, 3, 12, 27, 48]
    assert sweep_counts(3, steps=20) == [0, 1, 2, 3]
    assert sweep_counts(1000, steps=2, max_erased=100) == [0, 25, 100]
    assert sweep_counts(48, counts=[48, 5, 5]) == [0, 5, 48]
    for neurons in (1, 7, 1000):
        for steps in (1, 2, 20, 100):
            grid = sweep_counts(neurons, steps=steps)
            assert grid[0] == 0
            assert grid[-1] == neurons
            assert grid == sorted(set(grid))
            assert len(grid) <= steps + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be 1 or more"),
        ({"counts": []}, r"counts must lie in 0\.\.48"),
        ({"counts": [-1]}, r"counts must lie in 0\.\.48"),
        ({"counts": [49]}, r"counts must lie in 0\.\.48"),
        ({"counts": [1], "max_erased": 5}, "not both"),
        ({"max_erased": 0}, r"max_erased must lie in 1\.\.48"),
        ({"max_erased": 49}, r"max_erased must lie in 1\.\.48"),
        ({"lines": ["top", "middle"]}, "no line 'middle'; the lines are: top, bottom, random, keep"),
        ({"lines": []}, "lines is empty"),
        ({"random_orders": 0}, "random_orders must be a whole number from 1"),
        ({"edit": "sponge"}, "the edits are: zero"),
    ],
)
def test_impossible_parameters_are_refused_before_any_measuring(
    nlm: LoadedModel, options: dict[str, Any], message: str
) -> None:
    metric = Counting(Perplexity(plain_corpus()))
    with pytest.raises(ParameterError, match=message):
        ablate(nlm, shuffled(nlm), metric, **options)
    assert metric.asked == 0


def test_a_ranking_of_sites_the_model_lacks_is_refused(nlm: LoadedModel, nmt: LoadedModel) -> None:
    metric = Counting(Perplexity(plain_corpus()))
    with pytest.raises(MismatchError, match="does not have these neurons"):
        ablate(nlm, shuffled(nmt), metric)
    wider = ranking_of(NeuronSpace(("layers.0",), (17,)), range(17))
    with pytest.raises(MismatchError, match="17"):
        ablate(nlm, wider, metric)
    assert metric.asked == 0


def test_a_ranking_of_another_model_is_refused(nlm: LoadedModel) -> None:
    metric = Counting(Perplexity(plain_corpus().head(2)))
    other = ModelIdentity(id="twin", architecture="LSTMLanguageModel", weight_hash="ab" * 32)
    source, twin = (Provenance(stage="extract", model=model) for model in (nlm.identity, other))

    def ranked_from(*inputs: Provenance, model: ModelIdentity | None = None) -> Ranking:
        return ranking_of(nlm.space(), range(48), Provenance(stage="rank", model=model, inputs=inputs))

    for foreign in (ranked_from(model=other), ranked_from(twin), ranked_from(twin, source)):
        with pytest.raises(MismatchError, match=r"twin.*abababababab"):
            ablate(nlm, foreign, metric)
    assert metric.asked == 0
    for usable in (ranked_from(model=nlm.identity), ranked_from(source, twin), ranked_from()):
        assert math.isfinite(ablate(nlm, usable, metric, counts=[1], lines="top").intact)


@pytest.mark.parametrize("task", ["perplexity", "bleu"])
def test_every_point_has_its_draws_from_the_statistics_of_the_sentences(
    nlm: LoadedModel, nmt: LoadedModel, task: str
) -> None:
    """Reference: the metric of every draw's summed statistics, with the same draws."""
    model, metric = (
        (nlm, Perplexity(plain_corpus())) if task == "perplexity" else (nmt, BLEU(parallel_corpus()))
    )
    ranking = shuffled(model)
    options: dict[str, Any] = {"lines": ["top", "random"], "random_orders": 2, "match": "none"}
    curve = ablate(model, ranking, metric, counts=[7, 30], seed=4, **options)
    rng = np.random.default_rng(4)
    orders = {"top": [ranking.order], "random": [rng.permutation(ranking.space.size) for _ in range(2)]}
    assert curve.draws is not None
    for row, draws in zip(curve.points.itertuples(), curve.draws, strict=True):
        expected = []
        for order in orders[row.line]:
            with erasing(model, ranking.space, order[: row.neurons]):
                measurement = metric.measure(model)
            assert [measurement.low, measurement.high] == pytest.approx(
                np.quantile(measurement.draws, [0.025, 0.975]).tolist()
            )
            expected.append(measurement.draws)
            if task == "perplexity":
                rng = np.random.default_rng(0)
                picked = rng.integers(0, 8, size=(3, 8))
                nll, subwords = measurement.statistics.T
                by_hand = [math.exp(nll[draw].sum() / subwords[draw].sum()) for draw in picked]
                assert measurement.draws[:3].tolist() == pytest.approx(by_hand, rel=1e-9)
        np.testing.assert_allclose(draws, np.mean(expected, axis=0), rtol=1e-5)


def test_a_curve_keeps_its_draws_and_the_hash_of_its_order_on_disk(nlm: LoadedModel, tmp_path: Path) -> None:
    ranking = shuffled(nlm)
    curve = ablate(nlm, ranking, Perplexity(plain_corpus()), counts=[7], lines=["top", "bottom"])
    curve.save(tmp_path / "c.parquet")
    again = Curve.load(tmp_path / "c.parquet")
    assert again.draws is not None
    assert np.array_equal(again.draws, curve.draws)
    assert np.array_equal(again.draws_of("bottom"), curve.draws[2:])
    assert again.points.equals(curve.points)
    assert again.details["order"] == ranking.order_hash != shuffled(nlm, seed=12).order_hash
    with open_table(tmp_path / "c.parquet", "curve") as (columns, header):
        older = columns.rename(columns={"neurons": "erased"})
    assert "erased" in older
    write_table(tmp_path / "older.parquet", older, {"record": "curve", **header}, force=False)
    assert Curve.load(tmp_path / "older.parquet").points.equals(curve.points)
    old = Curve(**{**vars(curve), "draws": None})
    old.save(tmp_path / "old.parquet")
    assert Curve.load(tmp_path / "old.parquet").draws is None
    assert old.draws_of("top").shape == (2, 0)
