"""Compare models on a device that is not the CPU, and print the results as JSON.

Run by test_device.py in a separate process: a registered device changes what PyTorch says of the machine.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import onegrain as og
import support.elsewhere  # noqa: F401
from rankings.crossmodel.test_redrawing import MODELS


def compare(device: str) -> dict[str, object]:
    """Return rankings with their nulls and intervals, their stability, and similarities."""
    ranked, others = MODELS[0], MODELS[1:]
    results: dict[str, object] = {}
    options = {"null": "rotation", "draws": 3, "resamples": 3}
    for name, parameters in (("maxcorr", options), ("mincorr", {}), ("linreg", {"resamples": 3})):
        ranking = og.rank(name, ranked, others=others, device=device, **parameters)
        record = og.stability(ranking, ranked, others=others, resamples=3, k=(3,), device=device)
        results[name] = np.nan_to_num(ranking.scores).tolist()
        results[f"{name} interval"] = (ranking.details.get("interval") or {}).get("low")
        results[f"{name} stability"] = record.likeness["jaccard"].tolist()
    directions = og.rank("svcca", ranked, others=others[:1], site="layers.0", device=device)
    results["svcca"] = directions.scores.tolist()
    results["similarity"] = og.similarity(ranked, others[0], device=device).table["cka"].tolist()
    return results


if __name__ == "__main__":
    print(json.dumps(compare(sys.argv[1])))
