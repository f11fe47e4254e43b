"""Run as a script: extract again and again, killed by SIGKILL at one write after the other, and resume.

Usage: interrupted.py MODEL FOLDER STRIDE. For every STRIDE-th n the extraction is killed when it is about to
do its n-th change to the store (opening a file to write, renaming, removing), then run again, and every file of
the store is compared with one that was made without interruption. Prints the number of kills.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import onegrain.activations.store as store_module
from onegrain.activations import extract
from onegrain.models import load_model
from tiny import plain_corpus

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link"}


def in_child(work: Callable[[], object]) -> int:
    """Run some work in a fork and return how it ended (negative: the signal that ended it)."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
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


def main() -> None:
    model, folder = load_model(sys.argv[1]), Path(sys.argv[2])
    store_module.MOST_ROWS = 20
    whole, out = folder / "whole.zarr", folder / "killed.zarr"
    assert in_child(lambda: extract(model, plain_corpus(), whole)) == 0
    expected = content(whole)
    change = kills = 0
    while True:

        def killed(change: int = change) -> None:
            kill_at(change, out)
            extract(model, plain_corpus(), out)

        ended = in_child(killed)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL, ended
        again = in_child(lambda: extract(model, plain_corpus(), out))
        assert again == 0, f"after a kill at change {change} the extraction does not go on"
        assert content(out) == expected, f"after a kill at change {change} the stores differ"
        shutil.rmtree(out)
        change += int(sys.argv[3])
        kills += 1
    assert content(out) == expected
    print(kills)


if __name__ == "__main__":
    main()
