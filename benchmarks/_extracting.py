"""Time runs of ``og.extract`` and record their batches, for the extraction benchmark and its peers."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import median

import torch

import onegrain as og

PAIRS = 3
"""Number of times that two sides are measured alternately; their medians are compared."""


def seconds(work) -> float:
    """Return the seconds that a function takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternating(first, second, pairs: int = PAIRS) -> tuple[list[float], list[float]]:
    """Return the seconds of two sides, measured as A B A B; a side is a function that returns its seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        for spent, work in zip(times, (first, second), strict=True):
            spent.append(work())
    return times


def extracting(model, corpus, folder: Path, sites):
    """Return a function that extracts into a new store and returns its seconds."""

    def run() -> float:
        out = folder / "timed.zarr"
        shutil.rmtree(out, ignore_errors=True)
        return seconds(lambda: og.extract(model, corpus, out, sites=sites))

    return run


def batches_of(loaded, corpus, folder: Path, sites) -> list[dict[str, torch.Tensor]]:
    """Return the batches (ids and masks, on the CPU) that an extraction passes to the model.

    They are recorded during an extraction, which also warms up both sides.
    """
    loaded.space(sites)
    batches: list[dict[str, torch.Tensor]] = []

    def keep(module, arguments, keywords):
        inputs = {**keywords, **({"input_ids": arguments[0]} if arguments else {})}
        chosen = {name: inputs.get(name) for name in ("input_ids", "attention_mask")}
        batches.append(
            {name: torch.from_numpy(v.cpu().numpy().copy()) for name, v in chosen.items() if v is not None}
        )

    handle = loaded.model.base_model.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        extracting(loaded, corpus, folder, sites)()
    finally:
        handle.remove()
    if not batches or any("input_ids" not in batch for batch in batches):
        raise SystemExit("og.extract did not pass its batches through the model; look at batches_of")
    return batches


def beside(theirs: list[float], ours: list[float], words: int) -> dict:
    """Return the figures of a comparison."""
    return {
        "words": words,
        "onegrain_seconds": ours,
        "peer_seconds": theirs,
        "onegrain_words_per_second": words / median(ours),
        "peer_words_per_second": words / median(theirs),
    }
