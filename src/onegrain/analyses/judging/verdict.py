"""The sentence that sums up an ablation curve."""

from __future__ import annotations

from onegrain.analyses.judging.areas import ablation_areas
from onegrain.analyses.questions.damage import damage_unit
from onegrain.errors import OnegrainError
from onegrain.metrics.registry import metric_title
from onegrain.records.curve import Curve

__all__ = ["verdict"]


def verdict(curve: Curve) -> str:
    """Return one sentence on what erasing the top neurons costs, beyond the random orders or the bottom.

    The cost is the gap between two areas of :func:`onegrain.analyses.ablation_areas`: the mean damage over the
    share of neurons erased, with its bootstrap interval over the sentences. A second sentence gives the noise
    of batching, if the curve was measured in reduced precision.
    """
    return _on_the_gap(curve) + _on_the_noise(curve)


def _on_the_gap(curve: Curve) -> str:
    try:
        areas = ablation_areas({"ranking": curve})
    except OnegrainError as error:
        return f"No verdict: {error}."
    gaps = areas.gaps.set_index("against")
    against = next((line for line in ("random", "bottom") if line in gaps.index), None)
    if against is None or gaps.loc[against, ["low", "high"]].isna().any():
        return "No verdict: it needs the top line, and a random or bottom line, with draws of the sentences."
    gap, low, high = (float(gaps.loc[against, name]) for name in ("gap", "low", "high"))
    last = min(int(curve.line(line)["neurons"].max()) for line in ("top", against))
    unit = damage_unit(curve.metric, curve.higher_is_better)
    if low <= 0.0 <= high:
        interval = f"{areas.level:.0%} interval {low:.3g} to {high:.3g}"
        return (
            f"Top and {against} neurons cannot be told apart: {gap:+.3g} {unit}, "
            f"averaged over 0 to {last:,} of them ({interval})."
        )
    comparative, bounds = ("more", (low, high)) if gap > 0 else ("less", (-high, -low))
    return (
        f"Erasing the top neurons costs {abs(gap):.3g} {unit} {comparative} than erasing {against} ones, "
        f"averaged over 0 to {last:,} of them ({areas.level:.0%} interval {bounds[0]:.3g} to {bounds[1]:.3g})."
    )


def _on_the_noise(curve: Curve) -> str:
    noise = curve.details.get("batching_noise")
    if noise is None:
        return ""
    return (
        f" {metric_title(curve.metric, first=True)} was measured in {curve.details['dtype']}, where batching "
        f"alone moves it by up to {noise:.3g}."
    )
