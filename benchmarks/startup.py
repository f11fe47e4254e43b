"""Seconds that ``import onegrain`` and ``onegrain --help`` take, each in a new process: the best of several.

Each command runs once before it is measured, so that Python has the bytecode of all modules, as after an
installation. The seconds of the processor say what the command takes on a machine that does nothing else.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time

REPEATS = 15
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import onegrain": ["-c", "import onegrain"],
    "onegrain --help": [
        "-c",
        "import sys; sys.argv = ['onegrain', '--help']; import onegrain.cli as c; c.main()",
    ],
}


def seconds(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the least seconds on the clock, and of the processor, of several runs of Python."""

    def run() -> tuple[float, float]:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
        elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    run()
    clock, processor = zip(*(run() for _ in range(REPEATS)), strict=True)
    return min(clock), min(processor)


if __name__ == "__main__":
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        environment["PYTHONPYCACHEPREFIX"] = folder
        for name, arguments in COMMANDS.items():
            clock, processor = seconds(arguments, environment)
            print(f"{name:<16}  {clock:.3f} s, of the processor {processor:.3f} s")
