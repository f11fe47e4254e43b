"""The section on stability: its sentence, chart and tables say what the record says."""

from __future__ import annotations

import pytest

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.records.stability import KINDS
from onegrain.reports import Records, compose
from onegrain.reports.charts import rank_intervals
from onegrain.reports.sections import stability_section
from support.blocks import tables_in


@pytest.fixture(scope="module")
def record() -> og.Stability:
    planted = og.planted(80, strength=3.0, seed=1)
    parameters = {"lambda1": 0.01, "lambda2": 0.01, "standardize": True, "evaluate": False}
    ranking = og.rank("lca", planted.activations, label="upos", **parameters)
    return og.stability(ranking, planted.activations, resamples=4, k=(3, 8, 20))


def test_the_finding_is_of_the_size_nearest_to_ten(record: og.Stability) -> None:
    (finding,) = stability_section({"nlm upos": record}).findings
    halves = record.at("halves").set_index("k").loc[8]
    assert finding.startswith("nlm upos: two halves")
    assert "first 8 neurons" in finding
    assert f"{100 * halves['jaccard']:.0f} %" in finding
    assert f"Φ = {halves['phi']:.2f}" in finding


def test_the_section_has_a_chart_and_two_tables(record: og.Stability) -> None:
    section = stability_section({"nlm upos": record})
    tables = tables_in(section.blocks)
    assert [len(table.frame) for table in tables] == [9, 4]
    assert tables[0].frame["phi"].tolist()[3:6] == record.at("halves")["phi"].tolist()
    assert tables[1].frame["label"].tolist() == list(record.labels)
    report = compose("T", Records(stabilities={("nlm", "upos"): record}))
    page = report.html()
    assert "rank-intervals-nlm-upos" in [chart.name for chart in report.charts()]
    assert "Would other sentences give the same order?" in page
    largest = max(record.details["largest_gap"].values())
    assert f"gaps are at most {largest:.1e}" in tables[0].caption


def test_a_method_without_a_seed_has_no_column_of_seeds() -> None:
    activations = og.planted(80, strength=3.0, seed=1).activations
    ranking = og.rank("probeless", activations, label="upos")
    record = og.stability(ranking, activations, resamples=4, k=(3, 8))
    section = stability_section({"nlm probeless": record})
    overall, by_label = tables_in(section.blocks)
    assert overall.frame["draws"].tolist() == ["bootstrap"] * 2 + ["halves"] * 2
    assert "seeds" not in by_label.frame.columns
    assert "seeds" not in overall.caption
    assert "duality gaps" not in overall.caption


def test_the_chart_shows_the_first_neurons(record: og.Stability) -> None:
    for kind in KINDS:
        spec = rank_intervals(record, kind, top=5).to_dict()
        (rows,) = spec["datasets"].values()
        assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
        assert rows[0]["median"] == record.of(kind)["median"][0]
    with pytest.raises(ParameterError, match="top"):
        rank_intervals(record, top=0)
