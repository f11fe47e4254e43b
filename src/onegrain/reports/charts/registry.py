"""The registry of charts: which charts each type of record has, for :func:`onegrain.plot` and for reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pandas as pd

from onegrain.analyses.questions.contrast import Contrast
from onegrain.analyses.questions.damage import require_one_task
from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.analyses.questions.localisation import localisation, mass_curves
from onegrain.analyses.questions.sharing import sharing
from onegrain.analyses.questions.topsets import require_mass
from onegrain.analyses.sweeps.robustness import has_robustness, robustness
from onegrain.errors import LabelError, ParameterError
from onegrain.records.clusters import Clusters
from onegrain.records.control import Control
from onegrain.records.curve import KEEP, LINES, Curve
from onegrain.records.effects import Effects
from onegrain.records.evaluation import Evaluation
from onegrain.records.ranking import Ranking
from onegrain.records.similarity import Similarity
from onegrain.records.specificity import Specificity
from onegrain.records.stability import Stability
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.sweep import Sweep
from onegrain.records.uniqueness import Uniqueness
from onegrain.reports.charts.clusters import cluster_sizes
from onegrain.reports.charts.comparison import comparison
from onegrain.reports.charts.constants import optimal_neurons
from onegrain.reports.charts.control import control_success
from onegrain.reports.charts.effects import effect_intervals
from onegrain.reports.charts.probe import kept_curve, lambda_grid
from onegrain.reports.charts.similarity import similarity_matrices
from onegrain.reports.charts.specificity import damage_matrix
from onegrain.reports.charts.spread import (
    effective_bars,
    jaccard_matrix,
    labels_by_site,
    mass_lines,
    rankings_by_site,
    sharing_bars,
    site_bars,
)
from onegrain.reports.charts.stability import rank_intervals
from onegrain.reports.charts.sweep import edit_panels, keep_panels, merit_dots
from onegrain.reports.charts.task import ablation, contrast_dots, contrast_sites, correlation_histogram
from onegrain.reports.charts.uniqueness import uniqueness_rounds

__all__ = ["CHARTS", "TOGETHER", "RecordChart", "draw", "draw_together", "joined_layers"]

CORRELATIONS = ("maxcorr", "mincorr")


@dataclass(frozen=True)
class RecordChart:
    """A chart that a type of record can have.

    Attributes:
        draw: returns an Altair chart of the results that ``read`` gives. A report calls it with results that
            it has computed already.
        read: returns the arguments of ``draw`` for a record.
        has: returns True if a record holds what the chart shows.
        needs: name of what the chart shows, for the message if the record lacks it.
    """

    draw: Callable[..., Any]
    read: Callable[[Any], tuple[Any, ...]]
    has: Callable[[Any], bool]
    needs: str

    def of(self, record: Any) -> Any:
        """Return the chart of a record."""
        return self.draw(*self.read(record))


def draw(kind: type, name: str, *results: Any) -> Any:
    """Return the chart with this name of a type of record, from results that are known already."""
    return CHARTS[kind][name].draw(*results)


def draw_together(kind: type, name: str, *results: Any) -> Any:
    """Return the chart with this name of several records of a type, from results that are known already."""
    return TOGETHER[kind][name].draw(*results)


def joined_layers(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the layers of several rankings in one table, whose first column names the ranking."""
    joined = pd.concat([table.assign(ranking=name) for name, table in tables.items()], ignore_index=True)
    return joined[["ranking", *joined.columns.drop("ranking")]]


def _layers(ranking: Ranking) -> tuple[Any, ...]:
    table = layers(ranking)
    return table, int(table["count"].sum())


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


def _grid(ranking: Ranking) -> tuple[Any, ...]:
    pair = {name: ranking.details.get(name) for name in ("lambda1", "lambda2")}
    known = {name: value for name, value in pair.items() if value is not None}
    return ranking.details["grid"], known if len(known) == len(pair) else None


def _has_grid(ranking: Ranking) -> bool:
    grid = ranking.details.get("grid") or ()
    measures = ("accuracy", "score", "zero_share")
    return len(grid) > 1 and any(point.get(name) is not None for point in grid for name in measures)


def _has_correlations(ranking: Ranking) -> bool:
    return ranking.method in CORRELATIONS and ranking.n_ranked > 0


def _ablation(curve: Curve) -> tuple[Any, ...]:
    """Return one curve under the name of its ranking's method, and the model's name."""
    ranked = curve.provenance.made_by("rank").parameters
    return {str(ranked.get("method", "ranking")): curve}, _model_of(curve)


def _model_of(record: Ranking | Curve) -> str:
    """Return the last part of the model's id, or nothing."""
    model = record.provenance.subject()
    return PurePath(model.id).name if model else ""


_MASS = "scores by label that are sizes, such as a probe's absolute weights"
_CORRELATED = f"a ranking by {' or '.join(CORRELATIONS)}"
_EVALUATED = "a ranking that was evaluated on held-out words"

CHARTS: dict[type, dict[str, RecordChart]] = {
    Ranking: {
        "layers": RecordChart(site_bars, _layers, _has_layers, "ranked neurons in more than one site"),
        "label-layers": RecordChart(
            labels_by_site,
            lambda ranking: (layers_by_label(ranking),),
            lambda ranking: len(ranking.space.sites) > 1 and _has_mass(ranking),
            f"more than one site and {_MASS}",
        ),
        "effective": RecordChart(effective_bars, lambda ranking: (localisation(ranking),), _has_mass, _MASS),
        "mass": RecordChart(mass_lines, lambda ranking: (mass_curves(ranking),), _has_mass, _MASS),
        "sharing": RecordChart(sharing_bars, lambda ranking: (sharing(ranking),), _has_mass, _MASS),
        "overlaps": RecordChart(
            jaccard_matrix,
            lambda ranking: (sharing(ranking),),
            lambda ranking: len(ranking.labels) > 1 and _has_mass(ranking),
            f"more than one label and {_MASS}",
        ),
        "grid": RecordChart(lambda_grid, _grid, _has_grid, "a probe that was fitted for several penalties"),
        "masking": RecordChart(
            kept_curve,
            lambda ranking: (_evaluated(ranking), "masking"),
            lambda ranking: bool(_evaluated(ranking).get("masking")),
            _EVALUATED,
        ),
        "retraining": RecordChart(
            kept_curve,
            lambda ranking: (_evaluated(ranking), "retraining"),
            lambda ranking: bool(_evaluated(ranking).get("retraining")),
            _EVALUATED,
        ),
        "correlations": RecordChart(
            correlation_histogram,
            lambda ranking: ({_model_of(ranking) or "model": ranking.scores}, ranking.method),
            _has_correlations,
            _CORRELATED,
        ),
    },
    Curve: {
        "ablation": RecordChart(ablation, _ablation, lambda curve: len(curve.points) > 0, "a measured point")
    },
    Evaluation: {
        "comparison": RecordChart(
            comparison,
            lambda evaluation: (evaluation,),
            lambda evaluation: (
                bool(evaluation.points["keep"].isin(("top", "bottom")).any())
                and {"full", "majority"} <= set(evaluation.details)
            ),
            "top or bottom neurons, and the accuracies of the full probe and the commonest label",
        )
    },
    Stability: {
        "ranks": RecordChart(rank_intervals, lambda stability: (stability,), lambda stability: True, "ranks")
    },
    Contrast: {
        "labels": RecordChart(
            contrast_dots,
            lambda result: (result,),
            lambda result: bool(result.by_label["effective_share"].notna().any()),
            "a label that has weight in a model",
        ),
        "layers": RecordChart(
            contrast_sites,
            lambda result: (result,),
            lambda result: bool((result.by_site.groupby("model").size() > 1).any()),
            "top neurons in more than one site",
        ),
    },
    Similarity: {
        "sites": RecordChart(
            similarity_matrices,
            lambda similarity: (similarity,),
            lambda similarity: bool(similarity.table[list(similarity.measures)].notna().any(axis=None)),
            "a pair of sites that vary",
        )
    },
    Specificity: {
        "damage": RecordChart(damage_matrix, lambda record: (record,), lambda record: True, "labels")
    },
    Effects: {
        "effects": RecordChart(effect_intervals, lambda record: (record,), lambda record: True, "effects")
    },
    Uniqueness: {
        "rounds": RecordChart(uniqueness_rounds, lambda record: (record,), lambda record: True, "rounds")
    },
    NeuronStatistics: {
        "constants": RecordChart(
            optimal_neurons,
            lambda statistics: (statistics,),
            lambda statistics: "optimal" in statistics.columns,
            "statistics with optimal constants",
        )
    },
    Sweep: {
        "edits": RecordChart(
            edit_panels,
            lambda sweep: (sweep,),
            lambda sweep: any(line in LINES for line in sweep.lines),
            "a line top, bottom or random",
        ),
        "keep": RecordChart(
            keep_panels, lambda sweep: (sweep,), lambda sweep: KEEP in sweep.lines, "a line keep"
        ),
        "merits": RecordChart(
            merit_dots,
            lambda sweep: (robustness(sweep), sweep),
            has_robustness,
            "two or more edits of two or more rankings or labels",
        ),
    },
    Clusters: {
        "sizes": RecordChart(cluster_sizes, lambda clusters: (clusters,), lambda clusters: True, "neurons")
    },
    Control: {
        "success": RecordChart(
            control_success,
            lambda control: (control,),
            lambda control: len(control.points) > 0,
            "a measured point",
        )
    },
}
"""The charts of each type of record, by name; the first that a record has is its default."""

TOGETHER: dict[type, dict[str, RecordChart]] = {
    Ranking: {
        "layers": RecordChart(
            rankings_by_site,
            lambda rankings: (joined_layers({name: layers(ranking) for name, ranking in rankings.items()}),),
            lambda rankings: all(_has_layers(ranking) for ranking in rankings.values()),
            "rankings with ranked neurons in more than one site",
        ),
        "correlations": RecordChart(
            correlation_histogram,
            lambda rankings: (
                {name: ranking.scores for name, ranking in rankings.items()},
                " / ".join(dict.fromkeys(ranking.method for ranking in rankings.values())),
            ),
            lambda rankings: all(_has_correlations(ranking) for ranking in rankings.values()),
            _CORRELATED,
        ),
    },
    Curve: {
        "ablation": RecordChart(
            ablation,
            lambda curves: (curves, _model_of(require_one_task(curves))),
            lambda curves: all(len(curve.points) > 0 for curve in curves.values()),
            "measured points",
        )
    },
}
"""The charts of several records of one type, which are a mapping of names to records."""
