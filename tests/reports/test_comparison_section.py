"""The figure and the section of rankings side by side."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import vl_convert

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.records.curve import COLUMNS
from onegrain.reports import Chart, Records, Report, Table, chart_spec, chart_svg, compose
from onegrain.reports.charts import comparison
from onegrain.reports.charts.theme import COLOURS
from onegrain.reports.rendering.numbers import UNKNOWN
from onegrain.reports.sections import area_rows, comparison_section
from support.blocks import tables_in
from support.planted import plant


@pytest.fixture(scope="module")
def rankings() -> dict[str, og.Ranking]:
    acts = plant(80).activations
    best = og.rank("f-statistic", acts, label="upos")
    return {"best": best, "same": best, "std": og.rank("std", acts)}


@pytest.fixture(scope="module")
def evaluation(rankings: dict[str, og.Ranking]) -> og.Evaluation:
    options = {"counts": (2, 8, 32), "lambda2": 1e-3, "resamples": 30, "random_orders": 2}
    return og.evaluate(
        rankings, plant(60, seed=1).activations, plant(60, seed=2).activations, label="upos", **options
    )


def marks(panel: dict) -> list[str]:
    return [layer["mark"]["type"] for layer in panel["layer"]]


def test_the_figure_has_a_row_a_measure_and_a_panel_each_for_top_and_bottom(
    rankings, evaluation, curves
) -> None:
    nlm_curves = {name: curve for (model, name), curve in curves.items() if model == "nlm"}
    spec = chart_spec(comparison(evaluation, nlm_curves))
    assert [len(row["hconcat"]) for row in spec["vconcat"]] == [2, 2, 2]
    panels = [panel for row in spec["vconcat"] for panel in row["hconcat"]]
    assert all({"area", "line", "point", "rule"} <= set(marks(panel)) for panel in panels)
    data = {name: rows for name, rows in spec["datasets"].items() if "ranking" in rows[0]}
    kept = next(rows for rows in data.values() if rows[0]["ranking"] == "best" and rows[0]["line"] == "top")
    line = evaluation.line("masking", "top", "best")
    drawn = [row["value"] for row in kept if row["ranking"] == "best"]
    assert drawn == pytest.approx(line["accuracy"].tolist())
    svg = chart_svg(comparison(evaluation, nlm_curves))
    assert svg.startswith("<svg")
    assert "NaN" not in svg
    for text in ("Masking", "Retraining", "Ablation", "random orders", *rankings):
        assert text in svg


def test_more_rankings_than_colours_are_told_apart_by_dashes(rankings, evaluation) -> None:
    names = [f"r{number}" for number in range(len(COLOURS) + 1)]
    many = og.evaluate(
        dict.fromkeys(names, rankings["best"]), plant(60, seed=1).activations, plant(60, seed=2).activations,
        label="upos", counts=(2, 8), lambda2=1e-3, resamples=10, kinds="masking", keep=("top", "bottom"),
    )  # fmt: skip
    text = str(chart_spec(comparison(many)))
    assert "'range': [[1, 0], [1, 0], [1, 0], [1, 0], [1, 0], [1, 0], [1, 0], [6, 3]]" in text
    assert vl_convert.vegalite_to_svg(chart_spec(comparison(many)), allowed_base_urls=[])
    with pytest.raises(ParameterError, match="nothing to draw"):
        comparison()


def test_the_findings_say_which_area_is_largest_and_what_may_be_equal(rankings, evaluation) -> None:
    findings = comparison_section(og.compare_rankings(rankings, evaluation)).findings
    assert len(findings) == 2
    for kind, text in zip(("Masking", "Retraining"), findings, strict=True):
        assert text.startswith(f"{kind}: best has the largest area, 0.")
        assert text.endswith("intervals of the differences it may be equal to same.")
    other = {name: rankings[name] for name in ("best", "std")}
    options = {"counts": (2, 8), "lambda2": 1e-3, "resamples": 30, "random_orders": 1}
    words = [plant(60, seed=seed).activations for seed in (1, 2)]
    for text in comparison_section(
        og.compare_rankings(other, og.evaluate(other, *words, label="upos", **options))
    ).findings:
        assert text.endswith("it is above every other.")


def test_the_section_stands_on_a_page(rankings, evaluation) -> None:
    comparison = og.compare_rankings(rankings, evaluation)
    section = comparison_section(comparison, evaluation)
    tables = tables_in(section.blocks)
    assert [len(table.frame) for table in tables] == [4, 12, 6, 3]
    assert any(isinstance(block, Chart) for block in section.blocks)
    page = Report("T", [section], [evaluation.provenance]).html()
    area, low, high = comparison.areas.of("masking", "best")
    assert f"{area:.3f} [{low:.3f}, {high:.3f}]" in page
    rows = area_rows(comparison)
    assert rows["masking"][0] == rows["masking"][1]
    assert rows["average_overlap"].tolist()[-1] == "–"


def test_the_section_warns_of_what_weakens_it(rankings, evaluation) -> None:
    probe = {**evaluation.details["probe"], "open_fits": 2, "largest_gap": 0.25}
    details = {**evaluation.details, "probe": probe, "seen": {"best": "was made from them"}}
    weak = evaluation.__class__(**{**vars(evaluation), "details": details})
    section = comparison_section(og.compare_rankings(rankings, weak), weak)
    told = " ".join(section.findings)
    assert "Beware: best was made from them." in told
    assert f"Beware: 2 of {probe['fits']} probes were not solved to the tolerance" in told
    assert "0.25" in told
    clean = comparison_section(og.compare_rankings(rankings, evaluation), evaluation)
    assert "Beware" not in " ".join(clean.findings)


def records(rankings: dict[str, og.Ranking], evaluation: og.Evaluation, **more) -> Records:
    named = {("nlm", name): ranking for name, ranking in rankings.items()}
    return Records(named, evaluations={("nlm", "methods"): evaluation}, **more)


def test_a_report_shows_an_evaluation_beside_its_rankings(rankings, evaluation) -> None:
    page = compose("T", records(rankings, evaluation))
    section = next(part for part in page.sections if part.anchor == "rankings-methods-of-nlm")
    assert section.title == "Rankings side by side: methods of nlm"
    assert [chart.name for chart in page.charts()].count("comparison-methods-of-nlm") == 1
    shown = page.html().split('id="rankings-methods-of-nlm"')[1].split("</section>")[0]
    assert "Masking: best has the largest area" in shown
    assert evaluation.provenance in page.provenance


def test_two_evaluations_are_told_apart(rankings, evaluation) -> None:
    both = {("nlm", "a"): evaluation, ("nlm", "b"): evaluation}
    page = compose("T", replace(records(rankings, evaluation), evaluations=both))
    assert {"rankings-a-of-nlm", "rankings-b-of-nlm"} <= {part.anchor for part in page.sections}


def test_an_evaluation_of_other_rankings_is_not_shown(rankings, evaluation) -> None:
    for other in ({"best": rankings["best"]}, {**rankings, "std": rankings["best"]}):
        page = compose("T", records(other, evaluation))
        assert not [part for part in page.sections if part.anchor.startswith("rankings")]


def test_only_curves_of_these_rankings_and_of_one_task_are_shown(rankings, evaluation) -> None:
    def curve(intact: float, order: str) -> og.Curve:
        rows = [("top", n, intact + n, intact, intact + 2 * n) for n in (0, 8, 32)]
        points = pd.DataFrame(rows, columns=COLUMNS)
        provenance = rankings["best"].provenance
        return og.Curve("perplexity", False, "", points, 32, provenance, {"order": order})

    best, std = (rankings[name].order_hash for name in ("best", "std"))
    for curves, shown in (
        ({"best": curve(9.0, best), "std": curve(9.0, std)}, {"best", "std"}),
        ({"best": curve(9.0, "another")}, set()),
        ({"best": curve(5.0, best), "same": curve(9.0, best), "std": curve(9.0, std)}, {"same", "std"}),
    ):
        named = {("nlm", name): curve_of_name for name, curve_of_name in curves.items()}
        page = compose("T", records(rankings, evaluation, curves=named))
        section = next(part for part in page.sections if part.anchor.startswith("rankings"))
        table = next(block.frame for block in section.blocks if isinstance(block, Table))
        damaged = table[table["ablation"] != UNKNOWN] if "ablation" in table else table[:0]
        assert set(damaged["ranking"]) == shown
