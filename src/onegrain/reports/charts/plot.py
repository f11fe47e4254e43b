"""Draw one record: which charts each type of record has, for notebooks and for reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from onegrain.analyses.questions.contrast import Contrast
from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.analyses.questions.localisation import localisation, mass_curves
from onegrain.analyses.questions.sharing import sharing
from onegrain.analyses.questions.topsets import require_mass
from onegrain.errors import LabelError, ParameterError
from onegrain.records.curve import Curve
from onegrain.records.evaluation import Evaluation
from onegrain.records.ranking import Ranking
from onegrain.records.stability import Stability
from onegrain.reports.charts.comparison import comparison
from onegrain.reports.charts.probe import kept_curve, lambda_grid
from onegrain.reports.charts.spread import (
    effective_bars,
    jaccard_matrix,
    labels_by_site,
    mass_lines,
    sharing_bars,
    site_bars,
)
from onegrain.reports.charts.stability import rank_intervals
from onegrain.reports.charts.task import ablation, contrast_dots, contrast_sites, correlation_histogram

__all__ = ["CHARTS", "RecordChart", "charts_of", "plot"]

CORRELATIONS = ("maxcorr", "mincorr")


@dataclass(frozen=True)
class RecordChart:
    """A chart that a type of record can have.

    Attributes:
        draw: returns the Altair chart of a record.
        has: returns True if a record holds what the chart shows.
        needs: what that is, for the message if it does not.
    """

    draw: Callable[[Any], Any]
    has: Callable[[Any], bool]
    needs: str


def plot(record: Any, chart: str | None = None) -> Any:
    """Return a chart of a record, as the report draws it.

    Args:
        record: a Ranking, Curve, Evaluation or Stability, or the Contrast of several models.
        chart: which chart. A ranking has ``layers`` (the sites of its top neurons) and, by label,
            ``label-layers``, ``effective`` (effective number of neurons), ``mass`` (weight mass of the largest
            neurons), ``sharing`` (labels per neuron) and ``overlaps`` (of labels' top sets); a probe's also
            ``grid`` (penalties), ``masking`` and ``retraining``; a cross-model ranking's ``correlations``. A
            curve has ``ablation``, an evaluation ``comparison``, a stability ``ranks``, a contrast ``labels``
            and ``layers``. By default the first of these that the record has.

    Returns:
        An Altair chart. It shows itself in a notebook; ``chart.save("layers.svg")`` writes it to a file.

    Raises:
        ParameterError: the record has no charts, or not this one; the message lists those that it has.

    >>> import onegrain
    >>> data = onegrain.planted(50)
    >>> ranking = onegrain.rank("probeless", data.activations, label="upos")
    >>> plot(ranking, "grid")
    Traceback (most recent call last):
    onegrain.errors.ParameterError: chart 'grid' needs ...; the charts of this Ranking are: ...
    """
    kinds = _charts_by_name(record)
    names = [name for name, kind in kinds.items() if kind.has(record)]
    what = type(record).__name__
    choice = f"the charts of this {what} are: {', '.join(names)}" if names else f"this {what} has no charts"
    if chart is not None and chart not in kinds:
        raise ParameterError(f"no chart {chart!r}; {choice}")
    if chart is not None and chart not in names:
        raise ParameterError(f"chart {chart!r} needs {kinds[chart].needs}; {choice}")
    if not names:
        needs = "; or ".join(f"{kind.needs} ({name})" for name, kind in kinds.items())
        raise ParameterError(f"{choice}; it would need {needs}")
    return kinds[chart or names[0]].draw(record)


def charts_of(record: Any) -> dict[str, Any]:
    """Return all charts of a record by name, the first of them the default.

    Raises:
        ParameterError: records of this type have no charts.
    """
    return {name: kind.draw(record) for name, kind in _charts_by_name(record).items() if kind.has(record)}


def _charts_by_name(record: Any) -> Mapping[str, RecordChart]:
    for kind, charts in CHARTS.items():
        if isinstance(record, kind):
            return charts
    kinds = ", ".join(kind.__name__ for kind in CHARTS)
    raise ParameterError(f"a {type(record).__name__} has no charts; these records have: {kinds}")


def _layers(ranking: Ranking) -> Any:
    table = layers(ranking)
    return site_bars(table, int(table["count"].sum()))


def _has_layers(ranking: Ranking) -> bool:
    return len(ranking.space.sites) > 1 and ranking.n_ranked > 0


def _has_mass(ranking: Ranking) -> bool:
    """Return True if the label scores of a ranking are sizes and not all 0."""
    try:
        return bool(require_mass(ranking).any())
    except (LabelError, ParameterError):
        return False


def _evaluated(ranking: Ranking) -> Mapping[str, Any]:
    evaluation = ranking.details.get("evaluation")
    return evaluation if isinstance(evaluation, Mapping) else {}


def _grid(ranking: Ranking) -> Any:
    pair = {name: ranking.details.get(name) for name in ("lambda1", "lambda2")}
    known = {name: value for name, value in pair.items() if value is not None}
    return lambda_grid(ranking.details["grid"], known if len(known) == len(pair) else None)


def _has_grid(ranking: Ranking) -> bool:
    grid = ranking.details.get("grid") or ()
    measures = ("accuracy", "score", "zero_share")
    return len(grid) > 1 and any(point.get(name) is not None for point in grid for name in measures)


def _correlations(ranking: Ranking) -> Any:
    return correlation_histogram({_model_of(ranking) or "model": ranking.scores}, ranking.method)


def _ablation(curve: Curve) -> Any:
    """Draw one curve under the name of its ranking's method."""
    ranked = curve.provenance.made_by("rank").parameters
    return ablation({str(ranked.get("method", "ranking")): curve}, _model_of(curve))


def _model_of(record: Ranking | Curve) -> str:
    """Return the last part of the model's id, or nothing."""
    model = record.provenance.subject()
    return PurePath(model.id).name if model else ""


_MASS = "scores by label that are sizes, such as a probe's absolute weights"

CHARTS: dict[type, dict[str, RecordChart]] = {
    Ranking: {
        "layers": RecordChart(_layers, _has_layers, "ranked neurons in more than one site"),
        "label-layers": RecordChart(
            lambda ranking: labels_by_site(layers_by_label(ranking)),
            lambda ranking: len(ranking.space.sites) > 1 and _has_mass(ranking),
            f"more than one site and {_MASS}",
        ),
        "effective": RecordChart(lambda ranking: effective_bars(localisation(ranking)), _has_mass, _MASS),
        "mass": RecordChart(lambda ranking: mass_lines(mass_curves(ranking)), _has_mass, _MASS),
        "sharing": RecordChart(lambda ranking: sharing_bars(sharing(ranking)), _has_mass, _MASS),
        "overlaps": RecordChart(
            lambda ranking: jaccard_matrix(sharing(ranking)),
            lambda ranking: len(ranking.labels) > 1 and _has_mass(ranking),
            f"more than one label and {_MASS}",
        ),
        "grid": RecordChart(_grid, _has_grid, "a probe that was fitted for several penalties"),
        "masking": RecordChart(
            lambda ranking: kept_curve(_evaluated(ranking), "masking"),
            lambda ranking: bool(_evaluated(ranking).get("masking")),
            "a ranking that was evaluated on held-out words",
        ),
        "retraining": RecordChart(
            lambda ranking: kept_curve(_evaluated(ranking), "retraining"),
            lambda ranking: bool(_evaluated(ranking).get("retraining")),
            "a ranking that was evaluated on held-out words",
        ),
        "correlations": RecordChart(
            _correlations,
            lambda ranking: ranking.method in CORRELATIONS and ranking.n_ranked > 0,
            f"a ranking by {' or '.join(CORRELATIONS)}",
        ),
    },
    Curve: {"ablation": RecordChart(_ablation, lambda curve: len(curve.points) > 0, "a measured point")},
    Evaluation: {
        "comparison": RecordChart(
            comparison,
            lambda evaluation: (
                bool(evaluation.points["keep"].isin(("top", "bottom")).any())
                and {"full", "majority"} <= set(evaluation.details)
            ),
            "top or bottom neurons, and the accuracies of the full probe and the commonest label",
        )
    },
    Stability: {"ranks": RecordChart(rank_intervals, lambda stability: True, "ranks")},
    Contrast: {
        "labels": RecordChart(
            contrast_dots,
            lambda result: bool(result.by_label["effective_share"].notna().any()),
            "a label that has weight in a model",
        ),
        "layers": RecordChart(contrast_sites, lambda result: len(result.by_site) > 0, "top neurons in sites"),
    },
}
"""The charts of each type of record, by name; the first that a record has is its default."""
