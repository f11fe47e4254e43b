"""Sweeps with known values: perplexities made from the nats per token of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from onegrain.core.bootstrap import bootstrap_ratios
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.sweep import COLUMNS, Sweep

__all__ = ["sweep_of"]

MODEL = ModelIdentity(id="models/m", architecture="Lstm", weight_hash="ab" * 32)


def sweep_of(
    losses: Mapping[tuple[str, str, str, int], np.ndarray],
    counts: Sequence[int],
    *,
    neurons: int = 40,
    resamples: int = 300,
) -> Sweep:
    """Return the sweep of perplexity whose sentences have these losses, one token per sentence.

    Args:
        losses: (ranking, edit, line, order) -> nats of each sentence, (counts, sentences).
        counts: the numbers of neurons.
        neurons: the number of neurons of every ranking.
        resamples: the number of draws.
    """
    rows, draws = [], []
    for (ranking, edit, line, order), table in losses.items():
        for count, nats in zip(counts, table, strict=True):
            finite = bool(np.isfinite(nats).all())
            drawn = (
                np.exp(bootstrap_ratios(nats, np.ones(len(nats)), resamples=resamples))
                if finite
                else np.full(resamples, np.nan)
            )
            low, high = np.quantile(drawn, [0.025, 0.975])
            rows.append((ranking, None, "perplexity", edit, line, order, count, np.exp(nats.mean()), low, high))
            draws.append(drawn)
    rankings = dict.fromkeys(key[0] for key in losses)
    provenance = Provenance(
        stage="sweep",
        model=MODEL,
        parameters={"random_orders": 4, "match": "site"},
        inputs=tuple(Provenance(stage="rank", parameters={"method": name}) for name in rankings),
    )
    facts = {
        "metric": "perplexity",
        "higher_is_better": False,
        "signature": "perplexity|test",
        "n_sentences": 60,
    }
    points = pd.DataFrame(rows, columns=COLUMNS)
    return Sweep(
        points.assign(label=pd.Series([None] * len(rows), dtype=object)),
        dict.fromkeys(rankings, neurons),
        {"perplexity": facts},
        provenance,
        {"orders": dict.fromkeys(rankings, "x")},
        np.stack(draws),
    )
