"""A comparison of rankings: every ranking in one table, all measured the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from onegrain.analyses.judging.agreement import (
    agreement,
    judges_among,
    overlap,
    rank_agreement,
    require_comparable,
)
from onegrain.analyses.judging.areas import ABLATION, Areas, ablation_areas, kept_areas
from onegrain.analyses.judging.voting import BALLOTS, vote_agreement
from onegrain.analyses.questions.topsets import default_k
from onegrain.errors import MismatchError
from onegrain.records.curve import Curve
from onegrain.records.evaluation import KINDS, Evaluation
from onegrain.records.ranking import Ranking

__all__ = ["RANDOM_ROW", "Comparison", "compare_rankings"]

RANDOM_ROW = "(random orders)"
"""Name of the row for the random orders of the evaluation and the curves."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Rankings side by side.

    Attributes:
        table: one row per ranking, and a last one for random orders if there are any: ``ranking``,
            ``method``, ``ranked`` (neurons); for each of ``masking``, ``retraining`` and ``ablation`` that was
            measured the area of its top, with ``*_low`` and ``*_high``; ``average_overlap`` and
            ``vote_overlap`` (Jaccard at ``k`` with the other judges, and with the neurons that they elect),
            ``spearman`` and ``kendall`` (mean over the other judges).
        areas: every area, gap and difference; None if nothing was measured.
        pairs: one row for every two rankings: ``first``, ``second``, ``k``, ``shared``, ``expected``,
            ``jaccard``, ``expected_jaccard``, ``p``, ``q``, ``spearman``, ``kendall``.
        k: neurons of a top set.
        judges: the rankings that the others are compared with.
        expected: ``average_overlap`` and ``vote_overlap`` by chance, mean over the rankings.
    """

    table: pd.DataFrame
    areas: Areas | None
    pairs: pd.DataFrame
    k: int
    judges: tuple[str, ...]
    expected: Mapping[str, float]

    @property
    def measured(self) -> tuple[str, ...]:
        """Those of masking, retraining and ablation that have areas."""
        return tuple(kind for kind in (*KINDS, ABLATION) if kind in self.table)


def compare_rankings(
    rankings: Mapping[str, Ranking],
    evaluation: Evaluation | None = None,
    curves: Mapping[str, Curve] | None = None,
    *,
    k: int | None = None,
    ballots: int = BALLOTS,
    scale: str = "log",
    level: float = 0.95,
) -> Comparison:
    """Put rankings of the same neurons into one table: how much their first neurons matter, how far they agree.

    Rankings by ``random`` or ``neuron-vote`` are compared with the others, but not the others with them.

    Args:
        rankings: name -> ranking, two or more of the same neurons of one model.
        evaluation: of these rankings, by :func:`onegrain.evaluate`; None to leave masking and retraining out.
        curves: name of a ranking -> its ablation curve, for some or all of them.
        k: neurons of a top set; default the larger of 10 and 1 % of the neurons.
        ballots: of NeuronVote.
        scale: scale of the areas of masking and retraining; see :func:`onegrain.analyses.kept_areas`.
        level: level of the intervals, between 0 and 1.

    Raises:
        ParameterError: fewer than two rankings, or an impossible value.
        MismatchError: rankings of different neurons or models, or an evaluation or curve of other rankings.
    """
    names = require_comparable(rankings)
    for name, ranking in rankings.items():
        named = f"ranking {names[0]!r}", f"ranking {name!r}"
        rankings[names[0]].provenance.require_same_model(named[0], ranking.provenance, named[1])
    parts = []
    if evaluation is not None:
        evaluation.require_rankings(rankings)
        parts.append(kept_areas(evaluation, scale=scale, level=level))
    if curves:
        _require_matching_curves(rankings, curves)
        parts.append(ablation_areas(curves, level=level))
    areas = Areas.joined(parts) if parts else None
    judges = judges_among(rankings)
    size = default_k(rankings[names[0]].space.size) if k is None else k
    overlaps = agreement(rankings, size, judges=judges)
    votes = vote_agreement(rankings, size, ballots=ballots, judges=judges)
    correlations = rank_agreement(rankings)
    rows = [
        {
            "ranking": name,
            "method": ranking.method,
            "ranked": ranking.n_ranked,
            **_area_columns(areas, name),
            "average_overlap": float(overlaps["average_overlap"].iloc[number]),
            "vote_overlap": float(votes["vote_overlap"].iloc[number]),
            **_mean_correlations(correlations, name, judges),
        }
        for number, (name, ranking) in enumerate(rankings.items())
    ]
    if areas is not None and ((areas.table["line"] == "random") & areas.table["ranking"].isna()).any():
        rows.append({"ranking": RANDOM_ROW, "method": "random", **_area_columns(areas, None)})
    table = pd.DataFrame(rows)
    table["ranked"] = table["ranked"].astype("Int64")
    return Comparison(
        table=table,
        areas=areas,
        pairs=overlap(rankings, size).merge(correlations, on=["first", "second"]),
        k=size,
        judges=tuple(judges),
        expected={"average_overlap": overlaps["expected"].mean(), "vote_overlap": votes["expected"].mean()},
    )


def _area_columns(areas: Areas | None, ranking: str | None) -> dict[str, Any]:
    """Return the areas of a ranking's top, or of the random orders, of every kind that was measured."""
    if areas is None:
        return {}
    line = "top" if ranking is not None else "random"
    columns: dict[str, Any] = {}
    for kind in dict.fromkeys(areas.table["kind"]):
        area, low, high = areas.of(kind, ranking, line)
        columns |= {kind: area, f"{kind}_low": low, f"{kind}_high": high}
    return columns


def _mean_correlations(pairs: pd.DataFrame, name: str, judges: list[str]) -> dict[str, float]:
    """Return the mean correlations of a ranking with the other judges."""
    others = [judge for judge in judges if judge != name]
    met = pairs[
        ((pairs["first"] == name) & pairs["second"].isin(others))
        | ((pairs["second"] == name) & pairs["first"].isin(others))
    ]
    return {column: float(met[column].mean()) for column in ("spearman", "kendall")}


def _require_matching_curves(rankings: Mapping[str, Ranking], curves: Mapping[str, Curve]) -> None:
    """Raise MismatchError unless every curve was made by erasing the ranking of its name."""
    for name, curve in curves.items():
        if name not in rankings:
            raise MismatchError(
                f"curve {name!r} belongs to no such ranking; the rankings are: {', '.join(rankings)}"
            )
        ranking = rankings[name]
        order = curve.details.get("order")
        if (_made_from(curve) != ranking.provenance) if order is None else order != ranking.order_hash:
            raise MismatchError(
                f"the curve {name!r} was made by erasing another order than that of ranking {name!r} "
                f"({ranking.method}); ablate this ranking"
            )


def _made_from(curve: Curve) -> Any:
    """Return the provenance of the ranking that a curve erased, for curves without a hash of its order."""
    return curve.provenance.inputs[0] if curve.provenance.inputs else None
