"""The folder of a comparison of rankings, as ``onegrain compare --out`` writes it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onegrain.analyses import Comparison
    from onegrain.core.output import Layout
    from onegrain.records.curve import Curve
    from onegrain.records.evaluation import Evaluation
    from onegrain.records.ranking import Ranking

__all__ = ["comparison_layout", "holds_comparison", "write_comparison"]

TABLES = ("table", "pairs", "areas", "gaps", "differences")


def comparison_layout() -> Layout:
    """Return the layout of the folder of a comparison, by which ``--force`` replaces nothing else."""
    from onegrain.core.output import Layout, is_written_by_onegrain

    files = (
        *(f"comparison.{ending}" for ending in ("html", "json", "png", "svg")),
        *(f"{name}.csv" for name in TABLES),
        "evaluation.parquet",
        "neuron-vote.parquet",
        "curves/*.parquet",
    )
    return Layout(
        "a comparison of rankings", lambda folder: is_written_by_onegrain(folder / "comparison.html"), files
    )


def holds_comparison(out: Path, request: str) -> bool:
    """Return True if a folder holds the comparison that the same request made, undamaged."""
    try:
        content = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
        same = content["request"] == request
        return same and all(_digest(out / name) == digest for name, digest in content["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_comparison(
    out: str | os.PathLike[str],
    comparison: Comparison,
    evaluation: Evaluation | None = None,
    curves: Mapping[str, Curve] | None = None,
    vote: Ranking | None = None,
    *,
    request: str = "",
    force: bool = False,
) -> None:
    """Write a folder with the tables, the records, a page, and the figure as PNG and SVG, all or nothing.

    ``comparison.html``, ``comparison.png``, ``comparison.svg``, ``comparison.json`` (all tables, and the
    checksums of the other files), and as CSV ``table``, ``areas``, ``gaps``, ``differences`` and ``pairs``;
    ``evaluation.parquet``, ``neuron-vote.parquet`` and ``curves/NAME.parquet``, if those records are given.

    Args:
        out: the folder to write.
        comparison: the comparison, by :func:`onegrain.compare_rankings`.
        evaluation: the evaluation that it was made from, if any.
        curves: name of a ranking -> its ablation curve.
        vote: the vote of the rankings, if it is to be kept.
        request: hash of the command that made the comparison; empty if none did.
        force: replace an earlier comparison.

    Raises:
        OutputExistsError: the folder exists and ``force`` is not set, or holds something else.
    """
    from onegrain.core.output import whole_folder
    from onegrain.records.evaluation import Evaluation
    from onegrain.reports.charts.registry import draw
    from onegrain.reports.page import Report
    from onegrain.reports.rendering.pictures import chart_png, chart_svg
    from onegrain.reports.sections import comparison_section

    curves = curves or {}
    tables = {"table": comparison.table, "pairs": comparison.pairs}
    if comparison.areas is not None:
        areas = comparison.areas
        tables |= {"areas": areas.table, "gaps": areas.gaps, "differences": areas.differences}
    with whole_folder(Path(out), force=force, ours=comparison_layout()) as folder:
        for name, frame in tables.items():
            frame.to_csv(folder / f"{name}.csv", index=False)
        if evaluation is not None:
            evaluation.save(folder / "evaluation.parquet")
        if vote is not None:
            vote.save(folder / "neuron-vote.parquet")
        for name, curve in curves.items():
            curve.save(folder / "curves" / f"{name.replace('/', '-')}.parquet")
        if evaluation is not None or curves:
            figure = draw(Evaluation, "comparison", evaluation, curves)
            (folder / "comparison.png").write_bytes(chart_png(figure))
            (folder / "comparison.svg").write_text(chart_svg(figure), encoding="utf-8")
        records = ([evaluation] if evaluation is not None else []) + list(curves.values())
        section = comparison_section(comparison, evaluation, curves)
        page = Report("Which ranking to believe", [section], [record.provenance for record in records])
        page.write(folder / "comparison.html", images=None)
        files = {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*.*"))}
        plain: dict[str, Any] = {
            name: frame.astype(object).where(frame.notna(), None).to_dict("records")
            for name, frame in tables.items()
        }
        plain |= {"record": "comparison", "request": request, "files": files}
        text = json.dumps(plain, indent=2, default=lambda value: value.item())
        (folder / "comparison.json").write_text(text + "\n", encoding="utf-8")
