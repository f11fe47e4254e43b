"""Time products of all cores beside a busy process, with threads that sleep soon and threads that spin."""

# peers:
# what: products of all cores beside a busy process, as the command line runs them and as OpenMP does by default

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

ROUNDS = 5
SPIN = "300000"
"""GNU's default if there is a core for every thread."""

BUSY = "while True: pass"
PRODUCTS = """
import time, torch
words, weights = torch.randn(768, 2688).bfloat16(), torch.randn(2688, 136).bfloat16()
def step():
    logits = (words @ weights).float().view(768, 8, 17)
    chances = torch.softmax(logits, 2)
    return words.T @ chances.view(768, 136).bfloat16(), (chances * (1.0 - chances)).mean(0)
for _ in range(20):
    step()
start = time.perf_counter()
for _ in range(200):
    step()
print((time.perf_counter() - start) / 200)
"""


def seconds_of_a_step(spins: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTS],
        env={**environment, "GOMP_SPINCOUNT": spins},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def steps(sleeping: str) -> dict[str, float]:
    """Return the median seconds of a step with either setting, measured in turn."""
    taken: dict[str, list[float]] = {"sleeping": [], "spinning": []}
    for _ in range(ROUNDS):
        taken["sleeping"].append(seconds_of_a_step(sleeping))
        taken["spinning"].append(seconds_of_a_step(SPIN))
    return {name: median(values) for name, values in taken.items()}


def main() -> None:
    from onegrain.core.threads import SPINS

    alone = steps(SPINS)
    other = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        beside = steps(SPINS)
    finally:
        other.kill()
        other.wait()
    ratios = {
        "beside_a_busy_process": beside["spinning"] / beside["sleeping"],
        "alone": alone["spinning"] / alone["sleeping"],
    }
    print(json.dumps({"name": "busy", "ratios": ratios, "figures": {"alone": alone, "beside": beside}}))


if __name__ == "__main__":
    main()
