"""The fuzz run: ``python -m fuzzing.run --inputs 100000``; prints what became of the inputs of each reader.

A line goes to standard error for each batch that ends, so a run that is cut off has said what it did.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

__all__ = ["Outcome", "fuzz", "one_input", "work"]

SECONDS = 60
CHUNK = 2000
MOST_SAID = 5
TESTS = Path(__file__).resolve().parents[1]
"""The folder from which ``python -m fuzzing.run`` finds this package."""

Outcome = dict[str, Any]


class TooSlow(Exception):  # noqa: N818
    """An input that took longer than a reader may."""


def one_input(target: Any, seeds: list[Path], scratch: Path, seed: int, index: int) -> tuple[str, str]:
    """Read one damaged input; return ``named``, ``read`` or ``fault``, and what was raised where."""
    from onegrain.errors import OnegrainError

    rng = random.Random(f"{seed}/{target.name}/{index}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    path = target.input(seeds, scratch, rng)
    signal.alarm(SECONDS)
    try:
        target.read(path)
    except OnegrainError as error:
        return "named", type(error).__name__
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "onegrain" in frame.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return "fault", f"{type(error).__name__} at {place}: {str(error)[:120]}"
    finally:
        signal.alarm(0)
    return "read", ""


def work(name: str, seed: int, start: int, stop: int, folder: Path) -> Outcome:
    """Read the inputs ``start`` to ``stop`` of a target, keeping where it is in a file, in case it dies."""
    from fuzzing.targets import TARGETS

    def slow(*_: object) -> None:
        raise TooSlow(f"longer than {SECONDS} s")

    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, slow)
    target = TARGETS[name]
    (folder / "whole").mkdir(parents=True)
    seeds = target.seeds(folder / "whole")
    counts: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    faults: list[list[Any]] = []
    for index in range(start, stop):
        (folder / "at").write_text(str(index))
        kind, what = one_input(target, seeds, folder / "scratch", seed, index)
        counts[kind] += 1
        if kind == "named":
            errors[what] += 1
        if kind == "fault":
            faults.append([index, what])
    return {"counts": dict(counts), "errors": dict(errors), "faults": faults}


def fuzz(inputs: int, seed: int, folder: Path, workers: int = 2, only: str | None = None) -> dict[str, Outcome]:
    """Share the inputs among the targets, in processes that a reader may end."""
    from fuzzing.targets import TARGETS

    total = sum(target.share for target in TARGETS.values())
    jobs = []
    for name, target in TARGETS.items():
        count = round(inputs * target.share / total)
        if only in (None, name):
            jobs += [(name, start, min(count, start + CHUNK)) for start in range(0, count, CHUNK)]
    jobs.reverse()  # the slow readers, which are named last, go first
    begun = time.monotonic()

    def batch(job: tuple[str, int, int]) -> tuple[str, Outcome]:
        result = _process(*job, seed=seed, folder=folder)
        seconds = time.monotonic() - begun
        faults = "".join(f"\n  input {index}: {what}" for index, what in result["faults"][:MOST_SAID])
        said = f"{seconds:6.0f} s  {job[0]} {job[1]:,}-{job[2]:,}: {dict(result['counts'])}{faults}"
        print(said, file=sys.stderr, flush=True)
        return job[0], result

    with ThreadPoolExecutor(workers) as pool:
        results = sorted(pool.map(batch, jobs), key=lambda result: list(TARGETS).index(result[0]))
    merged: dict[str, Outcome] = {}
    for name, result in results:
        into = merged.setdefault(name, {"counts": Counter(), "errors": Counter(), "faults": []})
        into["counts"].update(result["counts"])
        into["errors"].update(result["errors"])
        into["faults"] += result["faults"]
    return merged


def _process(name: str, start: int, stop: int, *, seed: int, folder: Path) -> Outcome:
    merged: Outcome = {"counts": Counter(), "errors": Counter(), "faults": []}

    def add(result: Outcome) -> None:
        merged["counts"].update(result["counts"])
        merged["errors"].update(result["errors"])
        merged["faults"].extend(result["faults"])

    while start < stop:
        place = Path(tempfile.mkdtemp(dir=folder))
        arguments = [sys.executable, "-m", "fuzzing.run", "--work", name, str(start), str(stop), str(place)]
        returncode, errors = _watched([*arguments, "--seed", str(seed)], place)
        if returncode == 0:
            add(json.loads((place / "result").read_text()))
            start = stop
        elif (place / "at").exists():
            fatal = int((place / "at").read_text())
            add(_process(name, start, fatal, seed=seed, folder=folder))  # what it counted is lost
            died = f"the process ended with {returncode}"
            add({"counts": {"fault": 1}, "errors": {}, "faults": [[fatal, died]]})
            start = fatal + 1
        else:
            raise RuntimeError(errors[-2000:])
        shutil.rmtree(place, ignore_errors=True)
    return merged


def _watched(arguments: list[str], place: Path) -> tuple[int, str]:
    """Run a process, and end it when it stays at one input: a reader in C code may not see the alarm."""
    with (place / "errors").open("w+") as errors:
        process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=errors, cwd=TESTS, env={**os.environ, **QUIET}
        )
        while True:
            try:
                process.wait(timeout=5)
                break
            except subprocess.TimeoutExpired:
                position = place / "at"
                if position.exists() and time.time() - position.stat().st_mtime > 2 * SECONDS:
                    process.kill()
        errors.seek(0)
        return process.returncode, errors.read()


QUIET = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONHASHSEED": "0",
}


def report(outcome: dict[str, Outcome], seed: int) -> str:
    """Return a table of what became of the inputs, and each kind of fault with an input that shows it."""
    lines = [f"seed {seed}", f"{'reader':20} {'inputs':>8} {'named':>8} {'read':>8} {'faults':>8}  errors"]
    for name, result in outcome.items():
        counts = result["counts"]
        kinds = ", ".join(f"{error} {count}" for error, count in sorted(result["errors"].items()))
        numbers = " ".join(f"{counts.get(kind, 0):8,}" for kind in ("named", "read", "fault"))
        lines.append(f"{name:20} {sum(counts.values()):8,} {numbers}  {kinds}")
    total: Counter[str] = Counter()
    for result in outcome.values():
        total.update(result["counts"])
    lines.append(
        f"{'all':20} {sum(total.values()):8,} " + " ".join(f"{total[k]:8,}" for k in ("named", "read", "fault"))
    )
    for name, result in outcome.items():
        seen = set()
        for index, what in result["faults"]:
            kind = what.split(": ")[0]
            if kind not in seen:
                seen.add(kind)
                lines.append(f"fault of {name}, input {index}: {what}")
    return "\n".join(lines)


def main() -> None:
    """Run the fuzz, or one process of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only")
    parser.add_argument("--work", nargs=4)
    options = parser.parse_args()
    if options.work:
        name, start, stop, place = options.work
        result = work(name, options.seed, int(start), int(stop), Path(place))
        (Path(place) / "result").write_text(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as folder:
        outcome = fuzz(options.inputs, options.seed, Path(folder), options.workers, options.only)
    print(report(outcome, options.seed))
    sys.exit(any(result["faults"] for result in outcome.values()))


if __name__ == "__main__":
    main()
