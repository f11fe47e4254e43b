"""The report's sections on sweeps and robustness, and their charts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.reports import Records, compose
from onegrain.reports.blocks import Table
from onegrain.reports.charts.plot import charts_of
from onegrain.studies import write_folder_report
from support.blocks import tables_in
from support.sweeps import sweep_of

COUNTS = (0, 10, 20)
SLOPES = {"zero": {"lca": 3.0, "probeless": 0.0}, "mean": {"lca": 2.0, "probeless": 0.0}}


def losses(line: str = "random") -> dict[tuple[str, str, str, int], np.ndarray]:
    rng = np.random.default_rng(0)
    table = {}
    for edit, slopes in SLOPES.items():
        for ranking, slope in slopes.items():
            for name, orders in (("top", 1), (line, 3 if line == "random" else 1)):
                for order in range(orders):
                    rise = slope if name == "top" else 0.01 * order
                    noise = 0.3 * rng.standard_normal(50)
                    table[ranking, edit, name, order] = 1 + np.array(COUNTS)[:, None] / 20 * (rise + noise)
    return table


@pytest.fixture
def sweep() -> og.Sweep:
    return sweep_of(losses(), COUNTS)


def test_the_sections_say_what_the_analyses_found(sweep: og.Sweep) -> None:
    report = compose("T", Records(sweeps={("nlm", "edits"): sweep}))
    by_anchor = {section.anchor: section for section in report.sections}
    findings = by_anchor["sweeps"].findings
    assert len(findings) == 4
    gap = og.significance(sweep).against_random.iloc[0]["gap"]
    assert "nlm edits, zero: the first neurons of lca change perplexity for the worse more than" in findings[0]
    assert f"({gap:+.3g} nats per token" in findings[0]
    assert "10 are the fewest that exceed every random order" in findings[0]
    assert "no more than random ones, as far as these sentences show" in findings[1]
    assert by_anchor["robustness"].findings == (
        "nlm edits: by perplexity, 2 rankings are in the same order of merit under 2 kinds of edit (Kendall's "
        "W 1.00 [1.00, 1.00]; 1: the same order, 0: no agreement).",
    )
    names = [chart.name for chart in report.charts()]
    assert names == ["sweep-edits-nlm-edits-perplexity", "merits-nlm-edits-perplexity"]
    page = report.html()
    assert "Does it depend on the kind of edit?" in page
    tables: list[Table] = tables_in(by_anchor["sweeps"].blocks)
    assert tables[0].frame["exceeded"].iloc[0] == "3 of 3"
    assert tables[0].frame["smallest"].iloc[0] == "10 (25.0 %)"


def test_a_sweep_of_one_edit_has_no_section_on_robustness() -> None:
    one = sweep_of({key: value for key, value in losses().items() if key[1] == "zero"}, COUNTS)
    report = compose("T", Records(sweeps={("nlm", "s"): one}))
    assert [section.anchor for section in report.sections] == ["sweeps"]
    with pytest.raises(ParameterError, match="chart 'merits' needs two or more edits"):
        og.plot(one, "merits")


def test_the_line_keep_alone_is_drawn_and_not_tested() -> None:
    keep = sweep_of({k: v for k, v in losses("keep").items() if k[2] == "keep"}, COUNTS)
    report = compose("T", Records(sweeps={("nlm", "s"): keep}))
    (section,) = report.sections
    assert section.findings == ()
    assert list(charts_of(keep)) == ["keep"]
    assert "No random orders were measured." in report.html()


def test_charts_have_a_panel_for_every_edit(sweep: og.Sweep) -> None:
    assert list(charts_of(sweep)) == ["edits", "merits"]
    panels = og.plot(sweep).to_dict()["concat"]
    assert [panel["title"]["text"] for panel in panels] == ["zero", "mean"]


def test_the_report_of_a_folder_shows_its_sweeps(sweep: og.Sweep, tmp_path: Path) -> None:
    sweep.save(tmp_path / "edits--m.parquet")
    page = write_folder_report(tmp_path, tmp_path / "report.html").read_text()
    assert "What do edits of the first neurons do?" in page
    assert "m edits" in page
    assert (tmp_path / "charts" / "sweep-edits-m-edits-perplexity.png").exists()
