"""Seconds that ``import onegrain`` and ``onegrain --help`` take, each in a new process: the best of several."""

from __future__ import annotations

import subprocess
import sys
import time

REPEATS = 7
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import onegrain": ["-c", "import onegrain"],
    "onegrain --help": [
        "-c",
        "import sys; sys.argv = ['onegrain', '--help']; import onegrain.cli as c; c.main()",
    ],
}


def seconds(arguments: list[str]) -> float:
    """Return the shortest of several runs of the interpreter with these arguments."""
    runs = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        runs.append(time.perf_counter() - start)
    return min(runs)


if __name__ == "__main__":
    for name, arguments in COMMANDS.items():
        print(f"{name:<16}  {seconds(arguments):.3f} s")
