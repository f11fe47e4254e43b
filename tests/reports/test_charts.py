from __future__ import annotations

import struct

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert

from onegrain.analyses.questions.contrast import contrast
from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.analyses.questions.localisation import localisation, mass_curves
from onegrain.analyses.questions.sharing import sharing
from onegrain.errors import ParameterError
from onegrain.reports import charts
from onegrain.reports.rendering.pictures import chart_png, chart_spec


def every_chart(rankings, probes, curves) -> dict:
    ranking = probes["nlm"]
    both = contrast(probes)
    nlm_curves = {ordering: curve for (model, ordering), curve in curves.items() if model == "nlm"}
    return {
        "grid": charts.lambda_grid(ranking.details["grid"], {"lambda1": 1e-4, "lambda2": 0}),
        "masking": charts.kept_curve(ranking.details["evaluation"], "masking"),
        "mass": charts.mass_lines(mass_curves(ranking)),
        "effective": charts.effective_bars(localisation(ranking)),
        "jaccard": charts.jaccard_matrix(sharing(ranking)),
        "sharing": charts.sharing_bars(sharing(ranking)),
        "sites": charts.site_bars(layers(ranking), 10),
        "rankings": charts.rankings_by_site(layers(ranking).assign(ranking="nlm")),
        "labels": charts.labels_by_site(layers_by_label(ranking)),
        "ablation": charts.ablation(nlm_curves, "nlm"),
        "dots": charts.contrast_dots(both),
        "contrast": charts.contrast_sites(both),
        "correlation": charts.correlation_histogram({"nlm": rankings[("nlm", "maxcorr")].scores}),
    }


def test_every_chart_compiles_and_is_described(rankings, probes, curves) -> None:
    for name, chart in every_chart(rankings, probes, curves).items():
        spec = chart_spec(chart)
        assert spec["title"]["text"], name
        assert spec["description"].startswith(spec["title"]["text"])
        svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        assert svg.startswith("<svg"), name
        assert spec["title"]["text"] in svg
        assert "NaN" not in svg, name


def test_a_png_is_a_picture_of_plausible_size(probes) -> None:
    picture = chart_png(charts.effective_bars(localisation(probes["nlm"])))
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert 800 < width < 2400
    assert 150 < height < 1200
    assert len(picture) > 5000


def test_small_charts_have_a_description_and_no_title(probes, make_curve) -> None:
    for chart in (
        charts.small_effective(localisation(probes["nlm"])),
        charts.small_sharing(sharing(probes["nlm"])),
        charts.small_contrast(contrast(probes)),
        charts.small_ablation(make_curve("m")),
    ):
        spec = chart_spec(chart)
        assert spec["description"]
        assert "title" not in spec
        svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        assert "NaN" not in svg
        assert float(svg.split('width="')[1].split('"')[0]) < 300


def test_rankings_of_other_sites_have_a_panel_of_their_own(probes) -> None:
    table = layers(probes["nlm"])
    other = table.assign(site=["encoder.0", "encoder.1"])
    both = pd.concat([table.assign(ranking="a"), table.assign(ranking="b"), other.assign(ranking="c")])
    spec = chart_spec(charts.rankings_by_site(both))
    assert len(spec["vconcat"]) == 2
    assert {row["ranking"] for row in data_of(spec)} == {"a", "b", "c"}


def data_of(spec: dict) -> list[dict]:
    return [row for rows in spec["datasets"].values() for row in rows]


def test_the_charts_show_the_numbers_of_the_analysis(rankings, probes, curves) -> None:
    drawn = every_chart(rankings, probes, curves)
    table = localisation(probes["nlm"]).set_index("label")["effective"]
    shown = {row["label"]: row["effective"] for row in data_of(chart_spec(drawn["effective"]))}
    assert shown == pytest.approx(table.to_dict())
    bars = [row["share"] for row in data_of(chart_spec(drawn["correlation"]))]
    assert sum(bars) == pytest.approx(1)
    chosen = [row for row in data_of(chart_spec(drawn["grid"])) if row["chosen"]]
    assert {(row["lambda1"], row["lambda2"]) for row in chosen} == {("1e-4", "0")}


def test_only_perplexity_has_a_logarithmic_axis(make_curve) -> None:
    def scales(metric: str) -> str:
        return str(chart_spec(charts.ablation({"lca": make_curve("m", metric)})))

    assert "'type': 'log'" in scales("perplexity")
    assert "'type': 'log'" not in scales("BLEU")


def test_random_is_drawn_once(curves) -> None:
    nlm_curves = {ordering: curve for (model, ordering), curve in curves.items() if model == "nlm"}
    rows = [row for row in data_of(chart_spec(charts.ablation(nlm_curves))) if row.get("line") == "random"]
    assert len(rows) == 3
    assert {row["ordering"] for row in rows} == {"random"}


def test_unknown_word_classes_need_no_legend(probes) -> None:
    table = localisation(probes["nlm"]).assign(word_class=None)
    assert "word_class" not in str(chart_spec(charts.effective_bars(table))["layer"][0]["encoding"]["color"])


def test_refusals(probes) -> None:
    with pytest.raises(ParameterError, match="no accuracy"):
        charts.lambda_grid([{"lambda1": 0, "lambda2": 0}])
    with pytest.raises(ParameterError, match="'masking' or 'retraining'"):
        charts.kept_curve({}, "masking")
    with pytest.raises(ParameterError, match="nothing to draw"):
        charts.effective_bars(localisation(probes["nlm"]).assign(effective=np.nan))
    with pytest.raises(ParameterError, match="no neuron has a correlation"):
        charts.correlation_histogram({"a": np.array([np.nan])})
    with pytest.raises(ParameterError, match="no point"):
        charts.ablation({})


def test_a_chart_of_many_rows_is_drawn() -> None:
    frame = pd.DataFrame({"x": range(6000)})
    spec = chart_spec(alt.Chart(frame).mark_tick().encode(x="x:Q"))
    assert sum(len(rows) for rows in spec["datasets"].values()) == 6000
