"""Solve the same small problems on a device that is not the CPU, and print what came out as JSON.

Run by test_device.py in a process of its own: a registered device changes what PyTorch says of the machine.
"""

from __future__ import annotations

import json
import sys

import torch

import onegrain as og
import support.elsewhere  # noqa: F401
from onegrain.rankings.data import memory
from onegrain.rankings.elastic_net import refinement, solver, subsets


def solve(device: str) -> dict[str, object]:
    """What the solver finds by every kind of step, and with tables on the device and off it."""
    planted = og.planted(120, strength=1.0, seed=4)
    options = {"label": "upos", "standardize": True, "resamples": 10, "device": device}
    small = og.rank("lca", planted.activations, lambda1=(1e-3, 1e-2), lambda2=(0.0, 1e-3), **options)
    solver.SMALL = 0
    subsets.NEWTON = 0.0
    large = og.rank("lca", planted.activations, lambda1=(1e-3, 1e-2), lambda2=(0.0, 1e-3), **options)
    draws = og.stability(large, planted.activations, resamples=2, k=(5,), device=device)
    judged = og.evaluate(
        {"lca": large},
        planted.activations,
        label="upos",
        lambda1=1e-3,
        lambda2=1e-3,
        counts=(2, 8),
        device=device,
    )
    refinement.JOINT = 0
    near = {"grid_steps": 5, "tolerance": 1e-6, "polish": 1e-6, "evaluate": False}
    apart = [
        og.rank("lca", planted.activations, lambda1=pair[0], lambda2=pair[1], **near, **options)
        for pair in ((1e-3, 1e-3), (0.0, 1e-2))
    ]
    memory.Memory._room_on_device = lambda self: 0.0
    far = og.rank("lca", planted.activations, lambda1=1e-3, lambda2=1e-3, **near, **options)
    X, y = torch.from_numpy(planted.activations.values()), planted.activations.layer("upos").labels()
    probe = og.ElasticNetProbe(lambda1=1e-2, device=device).fit(X.to(device), y)
    return {
        "objectives": [ranking.details["solution"]["objective"] for ranking in (small, large, *apart, far)],
        "tops": [ranking.top(3) for ranking in (small, large, *apart, far)],
        "accuracies": [
            row["accuracy"]
            for ranking in (small, large)
            for row in (ranking.details["evaluation"]["full"], *ranking.details["evaluation"]["retraining"])
        ],
        "jaccard": draws.likeness["jaccard"].tolist()[:3],
        "judged": judged.points["accuracy"].tolist(),
        "gap": probe.duality_gap_,
        "predicted": probe.predict(X.to(device)).tolist()[:20],
    }


if __name__ == "__main__":
    print(json.dumps(solve(sys.argv[1])))
