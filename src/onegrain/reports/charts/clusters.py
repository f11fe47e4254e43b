"""Chart of clusters: how many neurons stand alone, and how many in groups of correlated neurons."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from onegrain.records.clusters import Clusters
from onegrain.reports.charts.theme import COLOURS, WIDTH, finish

__all__ = ["cluster_sizes"]


def cluster_sizes(clusters: Clusters) -> Any:
    """Return bars of the number of neurons in clusters of 1, 2, 3-4, 5-8, ... neurons."""
    classes = np.ceil(np.log2(clusters.sizes)).astype(int)
    rows = []
    for number in range(int(classes.max()) + 1):
        least, most = 2 ** (number - 1) + 1 if number else 1, 2**number
        inside = classes == number
        rows.append(
            {
                "size": str(most) if least == most else f"{least}–{most}",
                "neurons": int(clusters.sizes[inside].sum()),
                "clusters": int(inside.sum()),
            }
        )
    frame = pd.DataFrame(rows)
    base = alt.Chart(frame).encode(
        x=alt.X(
            "size:N", sort=frame["size"].tolist(), title="Neurons in a cluster", axis=alt.Axis(labelAngle=0)
        ),
        y=alt.Y("neurons:Q", title="Neurons in clusters of this size"),
    )
    bars = base.mark_bar(color=COLOURS[0]).encode(tooltip=["size:N", "clusters:Q", "neurons:Q"])
    numbers = base.mark_text(dy=-6, fontSize=10, color="#444444").encode(text=alt.Text("neurons:Q", format=","))
    chart = (bars + numbers).properties(width=WIDTH, height=240)
    measure = "1 − r" if clusters.signed else "1 − |r|"
    subtitle = (
        f"{len(clusters.neurons):,} neurons in {len(clusters):,} clusters; {clusters.linkage} linkage up to "
        f"{measure} = {clusters.threshold:g}; clusters of 1: no other neuron is this close"
    )
    return finish(chart, "Groups of correlated neurons", subtitle)
