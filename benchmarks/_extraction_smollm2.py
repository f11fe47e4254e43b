"""Extraction from SmolLM2 beside its body alone, in float32 and in bfloat16."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _extracting import alternating, batches_of, beside, extracting, seconds
from _minilm import corpus
from _smollm2 import SMOLLM2_SITES, smollm2_folder

import onegrain as og

SENTENCES, ALL_SENTENCES = 120, 200
TEN = [f"layers.{block}.mlp" for block in range(2, 30, 3)]
LOWEST = [f"layers.{block}.mlp" for block in range(10)]


def measured(sentences: int | None, folder: Path) -> tuple[dict[str, float], dict[str, object]]:
    """Return the ratios and figures; without the model, a figure that says so."""
    try:
        model = smollm2_folder()
    except SystemExit as missing:
        return {}, {"smollm2": f"not measured: {missing}"}
    loaded = og.load_model(model)
    few = corpus("dev", min(SENTENCES, sentences or SENTENCES))
    more = corpus("dev", min(ALL_SENTENCES, sentences or ALL_SENTENCES))
    ratios, figures = {}, {}
    selections = (
        ("", few, TEN, 3),
        ("_all", more, SMOLLM2_SITES, 2),
        ("_lowest", few, LOWEST, 1),
    )
    for key, words, sites, pairs in selections:
        ratio, figures[f"smollm2{key}"] = bare_body(loaded, words, sites, folder, pairs)
        ratios[f"vs_bare_body_smollm2{key}"] = ratio
    ratios["bfloat16_smollm2"], figures["bfloat16"] = bfloat16(model, loaded, few, folder)
    return ratios, figures


def bare_body(loaded, words, sites, folder: Path, pairs: int):
    """Compare an extraction to a finished float32 store with the body alone on the same batches."""
    batches = batches_of(loaded, words, folder, sites)
    body = loaded.model.base_model

    @torch.inference_mode()
    def forward() -> None:
        for batch in batches:
            body(**batch)

    bare, ours = alternating(lambda: seconds(forward), extracting(loaded, words, folder, sites), pairs)
    figures = beside(bare, ours, words.n_words) | {
        "neurons": loaded.space(sites).size,
        "subwords": int(sum(batch["attention_mask"].sum() for batch in batches)),
        "padded_subwords": int(sum(batch["input_ids"].numel() for batch in batches)),
    }
    return median(bare) / median(ours), figures


def bfloat16(model: Path, loaded, words, folder: Path):
    """Compare a model in bfloat16 with float32: its time, and its values at residual and MLP sites."""
    narrow = og.load_model(model, dtype="bfloat16")
    narrow.space(TEN)
    for side in (loaded, narrow):
        extracting(side, words.head(20), folder, TEN)()
    sides = (extracting(side, words, folder, TEN) for side in (loaded, narrow))
    exact_seconds, narrow_seconds = alternating(*sides, pairs=1)
    sites = [*TEN, *(site.removesuffix(".mlp") for site in TEN)]
    stores = []
    for name, side in (("exact", loaded), ("narrow", narrow)):
        shutil.rmtree(folder / f"{name}.zarr", ignore_errors=True)
        stores.append(og.extract(side, words, folder / f"{name}.zarr", sites=sites))
    deviations = {site: deviation(*(store.restrict(site).values() for store in stores)) for site in sites}
    figures = {
        "processor": processor(),
        "float32_seconds": exact_seconds,
        "bfloat16_seconds": narrow_seconds,
        "deviation": deviations,
        "largest_median_deviation": max(site["median"] for site in deviations.values()),
        "lowest_correlation": min(site["lowest_correlation"] for site in deviations.values()),
    }
    return exact_seconds[0] / narrow_seconds[0], figures


def deviation(exact: np.ndarray, narrow: np.ndarray) -> dict[str, float]:
    """Return how far the neurons of a site differ: root mean square difference by standard deviation."""
    centred, other = exact - exact.mean(0), narrow - narrow.mean(0)
    spread = np.sqrt((centred**2).mean(0))
    shares = np.sqrt(((narrow - exact) ** 2).mean(0)) / spread
    correlations = (centred * other).mean(0) / (spread * np.sqrt((other**2).mean(0)))
    return {
        "median": float(np.median(shares)),
        "largest": float(shares.max()),
        "median_correlation": float(np.median(correlations)),
        "lowest_correlation": float(correlations.min()),
    }


def processor() -> str:
    """Return which bfloat16 instructions the processor has, as Linux names them."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8").split() if info.is_file() else []
    named = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    return " ".join(named) or "no bfloat16 instructions known"
