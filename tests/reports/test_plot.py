from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import vl_convert

import onegrain as og
from onegrain.analyses.questions.contrast import contrast
from onegrain.errors import ParameterError
from onegrain.records.evaluation import Evaluation
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.reports import charts
from onegrain.reports.charts.plot import CHARTS, charts_of
from onegrain.reports.rendering.pictures import chart_spec
from support import records

PROBE_CHARTS = [
    "layers", "label-layers", "effective", "mass", "sharing", "overlaps", "grid", "masking", "retraining",
]  # fmt: skip


def evaluation() -> Evaluation:
    measured = records.evaluation()
    return replace(measured, details={**measured.details, "full": {"accuracy": 0.75}})


def test_every_type_of_record_has_its_charts(rankings, probes, curves) -> None:
    expected = {
        "probe": (probes["nlm"], PROBE_CHARTS),
        "cross-model ranking": (rankings[("nlm", "maxcorr")], ["layers", "correlations"]),
        "curve": (curves[("nmt", "lca")], ["ablation"]),
        "evaluation": (evaluation(), ["comparison"]),
        "stability": (records.stability(), ["ranks"]),
        "contrast": (contrast(probes), ["labels", "layers"]),
    }
    assert {type(record) for record, _ in expected.values()} == set(CHARTS)
    for what, (record, names) in expected.items():
        drawn = charts_of(record)
        assert list(drawn) == names, what
        assert chart_spec(og.plot(record)) == chart_spec(drawn[names[0]])
        for name in names:
            spec = chart_spec(og.plot(record, name))
            assert spec == chart_spec(drawn[name])
            assert vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).startswith("<svg")


def test_the_charts_are_those_of_the_report(rankings, probes, curves) -> None:
    ranking, curve = probes["nlm"], curves[("nmt", "lca")]
    chosen = {"lambda1": 1e-4, "lambda2": 0}
    drawn = charts_of(ranking)
    for name, chart in {
        "grid": charts.lambda_grid(ranking.details["grid"], chosen),
        "masking": charts.kept_curve(ranking.details["evaluation"], "masking"),
    }.items():
        assert chart_spec(drawn[name]) == chart_spec(chart)
    scores = {"nlm": rankings[("nlm", "maxcorr")].scores}
    histogram = charts.correlation_histogram(scores, "maxcorr")
    assert chart_spec(og.plot(rankings[("nlm", "maxcorr")], "correlations")) == chart_spec(histogram)
    assert chart_spec(og.plot(curve)) == chart_spec(charts.ablation({"ranking": curve}, "nmt"))


def test_a_curve_is_named_after_the_method_of_its_ranking(curves) -> None:
    curve = curves[("nmt", "lca")]
    ranked = og.Provenance(stage="rank", parameters={"method": "probeless"})
    curve = replace(curve, provenance=curve.provenance.model_copy(update={"inputs": (ranked,)}))
    assert "probeless" in str(chart_spec(og.plot(curve)))


def test_unknown_and_missing_charts_are_refused(rankings, probes) -> None:
    cross = rankings[("nlm", "maxcorr")]
    with pytest.raises(
        ParameterError, match=r"no chart 'pie'; the charts of this Ranking are: layers, correlations$"
    ):
        og.plot(cross, "pie")
    with pytest.raises(
        ParameterError, match=r"chart 'sharing' needs scores by label .*: layers, correlations$"
    ):
        og.plot(cross, "sharing")
    ranking = probes["nlm"]
    alone = Ranking.by_scores("std", NeuronSpace(("layers.0",), (3,)), np.arange(3.0), ranking.provenance)
    assert charts_of(alone) == {}
    with pytest.raises(
        ParameterError, match="this Ranking has no charts; it would need ranked neurons in more"
    ):
        og.plot(alone)
    with pytest.raises(ParameterError, match="it would need top or bottom neurons"):
        og.plot(records.evaluation())
    with pytest.raises(ParameterError, match="a Similarity has no charts; these records have: Ranking, Curve"):
        og.plot(records.similarity())


def test_signed_label_scores_are_not_drawn_as_mass(probes) -> None:
    ranking = probes["nlm"]
    signed = replace(ranking, label_scores=ranking.weights, details={})
    assert list(charts_of(signed)) == ["layers"]
