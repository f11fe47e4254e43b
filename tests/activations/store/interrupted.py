"""Run as a script: extract repeatedly, end each run with SIGKILL at some moment, and resume it.

Usage: interrupted.py MODEL FOLDER changes STRIDE, or interrupted.py MODEL FOLDER moments COUNT.

With ``changes``, for every STRIDE-th n, the extraction is killed when it is about to do its n-th change to the
store (opening a file to write, renaming, removing). With ``moments`` it is killed COUNT times from outside, at
random times between its beginning and its end. Each time it is run again, and every file of the store is
compared with one that was made without interruption. Prints the number of kills.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import onegrain.activations.store.layout as layout
from onegrain.activations import extract
from onegrain.activations.extraction import extract as extraction
from onegrain.models import load_model
from support.tiny import plain_corpus

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link"}


def in_child(work: Callable[[], object], seconds: float | None = None) -> int:
    """Run some work in a fork and return how it ended (negative: the signal that ended it).

    With ``seconds`` it is killed after so long.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(change: int, folder: Path) -> None:
    """Let this process kill itself when it is about to make its n-th change (from 0) below the folder."""
    seen = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(arguments[1], str) and arguments[1].strip("br") != ""
        changes = writes or event in CHANGES
        if changes and not isinstance(arguments[0], int) and str(folder) in os.fspath(arguments[0]):
            if seen == change:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(watch)


def content(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def killed_at_changes(work: Callable[[], object], out: Path, stride: int) -> Iterator[int]:
    """Yield how each run ended that was killed at every ``stride``-th change; the last run is not killed."""
    change, ended = 0, -1
    while ended:

        def killed(change: int = change) -> None:
            kill_at(change, out)
            work()

        ended = in_child(killed)
        yield ended
        change += stride


def killed_at_moments(work: Callable[[], object], count: int, longest: float) -> Iterator[int]:
    """Yield how each run ended until ``count`` were killed at random moments; some end before."""
    rng, kills = np.random.default_rng(0), 0
    while kills < count:
        ended = in_child(work, float(rng.uniform(0.0, longest)))
        kills += ended != 0
        longest *= 1.0 if ended else 0.95
        yield ended


def main() -> None:
    model, folder, way, number = load_model(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    layout.MOST_ROWS = 20
    extraction.READ_BYTES = 2 * 20 * 48 * 4
    unbroken, out = folder / "whole.zarr", folder / "killed.zarr"
    assert in_child(lambda: extract(model, plain_corpus(), unbroken)) == 0
    expected = content(unbroken)
    assert len([name for name in expected if "activations/c" in name]) == 4

    def work() -> object:
        return extract(model, plain_corpus(), out)

    began = time.monotonic()
    assert in_child(work) == 0
    took = time.monotonic() - began
    shutil.rmtree(out)
    ways = {"changes": lambda: killed_at_changes(work, out, number)}
    ways["moments"] = lambda: killed_at_moments(work, number, took)
    kills = 0
    for ended in ways[way]():
        if ended == -signal.SIGKILL:
            kills += 1
            if content(out) != expected:
                assert in_child(work) == 0, f"after kill {kills} the extraction does not go on"
        else:
            assert ended == 0, ended
        assert content(out) == expected, f"after kill {kills} the stores differ"
        shutil.rmtree(out)
    print(kills)


if __name__ == "__main__":
    main()
