"""Ablation by every metric of the registry: values are those of separate measurements, draws are paired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onegrain.analyses import verdict
from onegrain.analyses.questions.damage import damage, damage_unit
from onegrain.interventions import Intervention, ablate, editing, erasing
from onegrain.interventions.variants import Variants
from onegrain.metrics import METRICS, KLDivergence, Measurement
from onegrain.models import LoadedModel, load_model
from onegrain.records.curve import Curve
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.reports.charts.task import ablation
from support.corpora import metric_for
from support.headed import save_headed


@pytest.fixture(scope="module")
def runners(models: dict[str, LoadedModel], tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    """The model that each metric is measured on."""
    root = tmp_path_factory.mktemp("runners")
    masked, words = (
        load_model(save_headed(name, root / name), device="cpu") for name in ("bert-masked", "bert-words")
    )
    by_metric = {"bleu": models["nmt"], "chrf": models["nmt"], "pseudo_perplexity": masked, "accuracy": words}
    return {name: by_metric.get(name, models["gpt2"]) for name in METRICS}


def ranking_of(space: NeuronSpace) -> Ranking:
    order = np.random.default_rng(5).permutation(space.size)
    scores = np.empty(space.size)
    scores[order] = np.arange(space.size)[::-1]
    return Ranking("given", space, order, scores, space.size, Provenance(stage="rank"))


@pytest.mark.parametrize("name", METRICS)
def test_a_curve_holds_separate_measurements(
    runners: dict[str, LoadedModel], name: str, tmp_path: Path
) -> None:
    loaded, metric = runners[name], metric_for(name, parallel=name in ("bleu", "chrf"))
    ranking = ranking_of(loaded.space())
    curve = ablate(loaded, ranking, metric, counts=[5, 20], random_orders=1, batch_size=5)
    measured: list[Measurement] = []
    for count in (0, 5, 20):
        with erasing(loaded, ranking.space, ranking.order[:count]):
            measured.append(metric.measure(loaded))
    top = curve.line("top")
    np.testing.assert_allclose(top["value"], [each.value for each in measured], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(top["low"], [each.low for each in measured], rtol=1e-5, atol=1e-9)
    assert measured[1].value != measured[0].value or name in ("bleu", "accuracy", "minimal_pairs")
    np.testing.assert_allclose(curve.draws_of("top")[1], measured[1].draws, rtol=1e-5, atol=1e-9)
    assert curve.signature == measured[0].signature
    assert curve.metric == name
    curve.save(tmp_path / "curve.parquet")
    assert Curve.load(tmp_path / "curve.parquet").provenance.parameters["metric"]["name"] == name
    assert verdict(curve)
    assert ablation({"random": curve}).to_dict()


def kl_curve(values: list[float]) -> Curve:
    points = pd.DataFrame(
        [("top", neurons, value, value, value) for neurons, value in zip((0, 5, 9), values, strict=True)],
        columns=["line", "neurons", "value", "low", "high"],
    )
    return Curve("kl_divergence", False, "kl", points, 9, Provenance(stage="ablate"))


def test_the_damage_of_a_divergence_is_its_rise() -> None:
    values = [0.0, 0.25, 1.5]
    assert damage(kl_curve(values), np.array(values)).tolist() == values
    assert damage_unit("kl_divergence", False) == "nats per token"
    assert not KLDivergence(metric_for("perplexity").corpus).higher_is_better


@pytest.mark.parametrize("name", METRICS)
def test_edits_that_share_their_passes_have_the_values_of_each_alone(
    runners: dict[str, LoadedModel], name: str
) -> None:
    loaded, metric = runners[name], metric_for(name, parallel=name in ("bleu", "chrf"))
    site = loaded.space().sites[-1]
    variants = [[Intervention.of([f"{site}:{unit}" for unit in range(first, 16)])] for first in (0, 8, 13)]
    shared = Variants(loaded, variants, reference=None, pairs=None).each(
        lambda: metric.measure(loaded, batch_size=3)
    )
    for variant, measurement in zip(variants, shared, strict=True):
        with editing(loaded, variant):
            alone = metric.measure(loaded, batch_size=3)
        assert measurement is not None
        np.testing.assert_allclose(measurement.statistics, alone.statistics, rtol=1e-4, atol=1e-5)
        assert measurement.signature == alone.signature
