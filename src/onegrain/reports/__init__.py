"""Reports: tables, charts and text heat maps, one rendering for notebook, report and explorer."""

from __future__ import annotations

from onegrain.reports.blocks import Answer, Block, Chart, Fold, HeatMap, Section, Sketch, Table, Text
from onegrain.reports.comparison_folder import write_comparison
from onegrain.reports.compose import Records, compose, left_out
from onegrain.reports.page import Report
from onegrain.reports.rendering.heatmap import heatmap_html, heatmap_text
from onegrain.reports.rendering.pictures import chart_png, chart_spec, chart_svg
from onegrain.reports.rendering.tables import table_html

__all__ = [
    "Answer",
    "Block",
    "Chart",
    "Fold",
    "HeatMap",
    "Records",
    "Report",
    "Section",
    "Sketch",
    "Table",
    "Text",
    "chart_png",
    "chart_spec",
    "chart_svg",
    "compose",
    "heatmap_html",
    "heatmap_text",
    "left_out",
    "table_html",
    "write_comparison",
]
