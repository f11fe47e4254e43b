"""The section on control: its sentence, table and examples say what the record says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.reports import Records, compose
from onegrain.reports.sections import control_section
from support import records
from support.blocks import tables_in


def test_the_finding_names_the_success_at_the_best_beta() -> None:
    record = records.control()
    (finding,) = control_section({"nmt number": record}).findings
    best = record.comparison().loc[1]
    assert best["success"] == 0.75
    assert finding.startswith("nmt number: setting neuron layers.0:2 changes 75.0 % of 4 translations")
    assert "random neurons of the same sites 12.5 %" in finding
    assert "a difference of +62.5 points" in finding
    assert "BLEU of 80.0" in finding
    assert "may be chance" not in finding
    unsure = replace(record, draws=np.zeros_like(record.draws))
    assert "may be chance" in control_section({"nmt number": unsure}).findings[0]


def test_the_section_has_a_chart_a_table_and_examples() -> None:
    record = records.control()
    section = control_section({"nmt number": record})
    success, examples = tables_in(section.blocks)
    assert success.frame["success"].tolist() == ["25.0 % [0.0, 50.0]", "75.0 % [50.0, 100.0]"]
    assert success.frame["random"].tolist() == ["0.0 % [0.0, 0.0]", "12.5 % [0.0, 25.0]"]
    assert examples.frame["after"].tolist() == ["les chiens ."]
    report = compose("T", Records(controls={("nmt", "number"): record}))
    assert [chart.name for chart in report.charts()] == ["control-nmt-number"]
    assert "Do these neurons control a property of the translation?" in report.html()
