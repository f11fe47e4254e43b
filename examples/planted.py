"""Plant neurons whose part is known, and see how many of them a ranking finds as the signal grows weaker."""

from statistics import fmean

import onegrain as og

neurons = og.PlantedNeurons(exclusive=2, copies=2, weak=8, loud=4, noise=40, constant=3)
parts = {
    "all": ("exclusive", "shared", "copy", "weak"),
    "clear": ("exclusive", "shared", "copy"),
    "weak": ("weak",),
}

print("strength  " + "  ".join(f"{name:>5}" for name in parts))
for strength in (5.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.0):
    areas: dict[str, list[float]] = {name: [] for name in parts}
    for seed in range(8):
        planted = og.planted(400, strength=strength, neurons=neurons, seed=seed)
        lca = og.rank(
            "lca",
            planted.activations,
            label="upos",
            standardize=True,
            lambda1=0.01,
            lambda2=0.01,
            evaluate=False,
        )
        for name, kinds in parts.items():
            areas[name].append(planted.auc(lca, kinds))
    print(f"{strength:8}  " + "  ".join(f"{fmean(values):.3f}" for values in areas.values()))
