"""What the extraction benchmark and its peers share: runs of ``og.extract``, their batches, pairs of times."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import median

import torch

import onegrain as og

PAIRS = 3
"""How often two sides are measured, one after the other; the medians count."""


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternating(one, other, pairs: int = PAIRS) -> tuple[list[float], list[float]]:
    """Seconds of two sides, A B A B; each is a function that returns its own seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        for spent, work in zip(times, (one, other), strict=True):
            spent.append(work())
    return times


def extracting(model, corpus, folder: Path, sites):
    """A function that extracts into a new store, and returns the seconds that it took."""

    def run() -> float:
        out = folder / "timed.zarr"
        shutil.rmtree(out, ignore_errors=True)
        return seconds(lambda: og.extract(model, corpus, out, sites=sites))

    return run


def batches_of(loaded, corpus, folder: Path, sites) -> list[dict[str, torch.Tensor]]:
    """What an extraction really gives the model, batch by batch: ids and masks, on the CPU.

    It is recorded while one runs, so this holds whatever the reader does; the run also warms both sides up.
    """
    loaded.space(sites)
    found: list[dict[str, torch.Tensor]] = []

    def keep(module, given, named):
        inputs = {**named, **({"input_ids": given[0]} if given else {})}
        chosen = {name: inputs.get(name) for name in ("input_ids", "attention_mask")}
        found.append(
            {name: torch.from_numpy(v.cpu().numpy().copy()) for name, v in chosen.items() if v is not None}
        )

    handle = loaded.model.base_model.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        extracting(loaded, corpus, folder, sites)()
    finally:
        handle.remove()
    if not found or any("input_ids" not in batch for batch in found):
        raise SystemExit("og.extract did not pass its batches through the model; look at batches_of")
    return found


def beside(theirs: list[float], ours: list[float], words: int) -> dict:
    """The figures of a pair of sides."""
    return {
        "words": words,
        "onegrain_seconds": ours,
        "peer_seconds": theirs,
        "onegrain_words_per_second": words / median(ours),
        "peer_words_per_second": words / median(theirs),
    }
