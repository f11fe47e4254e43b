"""Ablation of several rankings beside one set of random orders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from onegrain.core.progress import Progress, automatic
from onegrain.interventions.ablate import ablate
from onegrain.metrics import Metric
from onegrain.models import LoadedModel, load_model
from onegrain.records.curve import LINES, Curve
from onegrain.records.ranking import Ranking

__all__ = ["ablate_rankings"]


def ablate_rankings(
    model: str | os.PathLike[str] | LoadedModel,
    rankings: Mapping[str, Ranking],
    metric: Metric,
    *,
    curves: Mapping[str, Curve] | None = None,
    match: str = "none",
    progress: Progress = automatic,
    **options: Any,
) -> dict[str, Curve]:
    """Ablate every ranking of a comparison, and measure the random orders once for all of them.

    Unless ``match`` asks for random orders that are matched to each ranking, they do not depend on the ranking,
    so only the first curve that is measured has a ``random`` line; if one of ``curves`` has such a line, no new
    curve has one.

    Args:
        model: a folder, a hub id, or a loaded model.
        rankings: name -> ranking of the model's neurons.
        metric: the metric and its corpus.
        curves: name of a ranking -> curve that was measured before; it is returned unchanged.
        progress: reports the measurements.
        match: how random orders are matched to each ranking: ``none``, ``site`` or ``size``.
        options: further arguments of :func:`onegrain.ablate`, except ``lines``.

    Returns:
        Name of each ranking -> its curve, in the order of ``rankings``.

    Raises:
        MismatchError: a ranking is of another model; see :func:`onegrain.ablate`.
        ParameterError: an argument of ``ablate`` is out of range.
    """
    measured = dict(curves or {})
    has_random = any((curve.points["line"] == "random").any() for curve in measured.values())
    loaded = load_model(model)
    for name, ranking in rankings.items():
        if name not in measured:
            lines = [line for line in LINES if line != "random" or match != "none" or not has_random]
            measured[name] = ablate(
                loaded, ranking, metric, lines=lines, match=match, progress=progress, **options
            )
            has_random = True
    return {name: measured[name] for name in rankings}
