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
from onegrain.reports.charts.plot import charts_of
from onegrain.reports.charts.registry import CHARTS, TOGETHER, RecordChart
from onegrain.reports.compose import Records, compose
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
        "similarity": (records.similarity(), ["sites"]),
        "clusters": (records.clusters(), ["sizes"]),
        "specificity": (records.specificity(), ["damage"]),
        "effects": (records.effects(), ["effects"]),
        "uniqueness": (records.uniqueness(), ["rounds"]),
        "statistics": (records.statistics(), ["constants"]),
        "sweep": (records.sweep(), ["edits"]),
        "control": (records.control(), ["success"]),
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


def test_the_report_draws_from_the_registry(monkeypatch, rankings, probes, curves) -> None:
    """Every chart of a report's sections is drawn by an entry of the registry, and every kind is shown."""
    drawn: dict[str, list[dict]] = {}

    def recorded(entry: RecordChart, name: str) -> RecordChart:
        def draw(*results: object) -> object:
            chart = entry.draw(*results)
            drawn.setdefault(name, []).append(chart_spec(chart))
            return chart

        return replace(entry, draw=draw)

    for registry, what in ((CHARTS, ""), (TOGETHER, "several ")):
        for kind, entries in registry.items():
            for name, entry in entries.items():
                monkeypatch.setitem(entries, name, recorded(entry, f"{what}{kind.__name__} {name}"))
    stability = records.stability()
    stability = replace(stability, details={**stability.details, "largest_gap": {}})
    stabilities = {("nlm", "lca"): stability}
    specificities = {("nlm", "specificity"): records.specificity()}
    effects = {("nlm", "effects"): records.effects()}
    more = {
        "stabilities": stabilities,
        "specificities": specificities,
        "effects": effects,
        "uniquenesses": {("nlm", "uniqueness"): records.uniqueness()},
        "constants": {("nlm", "constants"): records.statistics()},
    }
    report = compose("T", Records(rankings=rankings, curves=curves, **more))
    shown = [chart_spec(chart.chart) for section in report.sections for chart in section.charts()]
    assert sorted(map(str, shown)) == sorted(str(spec) for specs in drawn.values() for spec in specs)
    assert set(drawn) == {
        *(f"Ranking {name}" for name in PROBE_CHARTS if name != "layers"),
        *("several Ranking layers", "several Ranking correlations", "several Curve ablation"),
        *("Stability ranks", "Contrast labels", "Contrast layers", "Specificity damage"),
        "Effects effects",
        "Uniqueness rounds",
        "NeuronStatistics constants",
    }


def test_one_record_and_a_mapping_of_it_have_the_same_charts(rankings, curves) -> None:
    ranking, curve = rankings[("nlm", "maxcorr")], curves[("nmt", "lca")]
    alone = chart_spec(og.plot(ranking, "correlations"))
    assert chart_spec(og.plot({"nlm": ranking}, "correlations")) == alone
    assert chart_spec(og.plot({"ranking": curve})) == chart_spec(og.plot(curve))


def test_several_records_are_drawn_in_one_chart(rankings, probes, curves) -> None:
    spec = str(chart_spec(og.plot({"first": probes["nlm"], "second": rankings[("nlm", "maxcorr")]})))
    assert "first" in spec
    assert "second" in spec
    of_one_model = {name: curve for (model, name), curve in curves.items() if model == "nmt"}
    assert set(of_one_model) <= set(str(chart_spec(og.plot(of_one_model))).split("'"))


def test_a_similarity_is_a_cell_per_pair_of_sites() -> None:
    spec = chart_spec(og.plot(records.similarity()))
    assert [panel["title"] for panel in spec["hconcat"]] == ["Linear CKA", "SVCCA"]
    rows = [row for rows in spec["datasets"].values() for row in rows]
    cells = sorted((row["site_a"], row["site_b"], row["value"]) for row in rows)
    assert cells == [("x", "z", 0.1), ("x", "z", 0.5), ("y", "z", 0.2)]


def test_clusters_are_counted_by_size() -> None:
    space = NeuronSpace(("layers.0",), (9,))
    numbers = np.array([0, 1, 1, 2, 2, 2, 2, 2, 3])
    medoids = np.array([0, 1, 3, 8])
    grouped = replace(
        records.clusters(),
        space=space,
        neurons=np.arange(9),
        numbers=numbers,
        mean_correlation=np.full(9, 0.9),
        medoids=medoids,
    )
    (rows,) = chart_spec(og.plot(grouped))["datasets"].values()
    assert [(row["size"], row["neurons"], row["clusters"]) for row in rows] == [
        ("1", 2, 2),
        ("2", 2, 1),
        ("3–4", 0, 0),
        ("5–8", 5, 1),
    ]


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
    with pytest.raises(ParameterError, match="a NeuronCards has no charts; these records have: Ranking, Curve"):
        og.plot(records.cards())
    with pytest.raises(ParameterError, match="all are of one type of: Ranking, Curve"):
        og.plot({"a": ranking, "b": records.curve()})
    with pytest.raises(ParameterError, match="all are of one type of: Ranking, Curve"):
        og.plot({})
    with pytest.raises(ParameterError, match=r"the charts of this mapping of Ranking are: layers$"):
        og.plot({"a": ranking, "b": cross}, "correlations")


def test_signed_label_scores_are_not_drawn_as_mass(probes) -> None:
    ranking = probes["nlm"]
    signed = replace(ranking, label_scores=ranking.weights, details={})
    assert list(charts_of(signed)) == ["layers"]
