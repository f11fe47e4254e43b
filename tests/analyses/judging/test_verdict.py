"""The sentence on an ablation curve."""

from __future__ import annotations

import numpy as np
import pandas as pd

from onegrain.analyses import ablation_areas, verdict
from onegrain.records.curve import Curve
from onegrain.records.provenance import Provenance


def curve_of(top: float, random: float, *, draws: bool = True) -> Curve:
    """Return a curve that ends at these perplexities when all neurons are erased, with 5 % noise."""
    rows = [("top", 0, 10.0), ("top", 8, top), ("random", 0, 10.0), ("random", 8, random)]
    points = pd.DataFrame(
        [(*row, row[2], row[2]) for row in rows], columns=["line", "neurons", "value", "low", "high"]
    )
    noise = np.exp(np.random.default_rng(0).normal(0.0, 0.05, (4, 200)))
    noise[2] = noise[0]
    return Curve(
        metric="perplexity",
        higher_is_better=False,
        signature="",
        points=points,
        n_neurons=8,
        provenance=Provenance(stage="ablate"),
        draws=points["value"].to_numpy()[:, None] * noise if draws else None,
    )


def test_the_verdict_is_the_gap_of_areas_with_its_interval() -> None:
    costly = curve_of(40.0, 20.0)
    row = ablation_areas({"r": costly}).gaps.set_index("against").loc["random"]
    assert verdict(costly) == (
        f"Erasing the top neurons costs {row['gap']:.3g} nats per token more than erasing random ones, "
        f"averaged over 0 to 8 of them (95% interval {row['low']:.3g} to {row['high']:.3g})."
    )
    assert (
        "nats per token less than erasing random ones, averaged over 0 to 8 of them (95% interval 0."
        in verdict(curve_of(20.0, 40.0))
    )
    assert "Top and random neurons cannot be told apart" in verdict(curve_of(20.0, 20.0))
    assert "No verdict" in verdict(curve_of(40.0, 20.0, draws=False))
