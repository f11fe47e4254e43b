"""A tiny study on the sandbox language that has a record of most kinds, for tests of the explorer."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path

import onegrain as og
from onegrain.core.progress import silent
from onegrain.explorer.settings import Settings
from onegrain.records.ranking import Ranking
from support import records

__all__ = ["SETTINGS", "STUDY", "make_study"]

SETTINGS = Settings(hosts=("testserver", "localhost", "127.0.0.1"))
"""Settings of an explorer that answers Starlette's test client."""

STUDY = """
title = "Tiny"
show = [["nlm-1", "test"], ["nmt", "test"]]
[corpora]
train-1 = { sandbox = { take = 0, parallel = "fr", parts = 1, sentences = 240, held_out = 60 } }
train-2 = { sandbox = { take = 1, parallel = "fr", parts = 2, sentences = 240, held_out = 60 } }
test = { sandbox = { take = "test", parallel = "fr", parts = 1, sentences = 240, held_out = 60 } }
[models.nmt]
kind = "nmt"
train = "train-1"
valid = "test"
test = "test"
options = { hidden_size = 12, layers = 1, vocab_size = 250, epochs = 6, batch_size = 32, learning_rate = 1e-2 }
[models.nlm-1]
kind = "nlm"
train = "train-1"
valid = "test"
test = "test"
options = { hidden_size = 12, layers = 2, vocab_size = 250, epochs = 2, batch_size = 32, learning_rate = 1e-2 }
[models.nlm-2]
kind = "nlm"
train = "train-2"
valid = "test"
test = "test"
options = { hidden_size = 12, layers = 2, vocab_size = 250, epochs = 2, batch_size = 32, learning_rate = 1e-2 }
[rankings.upos]
models = ["nlm-1"]
method = "lca"
label = "upos"
parameters = { lambda1 = 1e-3, lambda2 = 1e-5 }
corpus = "train-1"
test = "test"
stability = { resamples = 2 }
[rankings.probeless]
models = ["nlm-1"]
method = "probeless"
label = "upos"
corpus = "test"
[rankings.maxcorr]
models = ["nlm-1", "nlm-2"]
method = "maxcorr"
corpus = "test"
[rankings.upos-nmt]
models = ["nmt"]
method = "probeless"
label = "upos"
corpus = "test"
[ablations.perplexity]
models = ["nlm-1"]
rankings = ["upos", "maxcorr"]
metric = "perplexity"
corpus = "test"
parameters = { steps = 3, random_orders = 1 }
"""


def make_study(folder: Path) -> Path:
    """Make the study in a folder, unless another process of the same test run has; return the folder."""
    out = folder / "study"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").is_file():
            source = folder / "study.toml"
            source.write_text(STUDY)
            og.run_study(source, out, progress=silent)
            _add_records(out)
            (folder / "complete").touch()
    return out


def _add_records(out: Path) -> None:
    """Add the records for which a study has no stage."""
    store = og.open_activations(out / "activations" / "nlm-1--test.zarr")
    ranking = Ranking.load(out / "rankings" / "upos--nlm-1.parquet")
    model = og.load_model(out / "models" / "nlm-1", device="cpu")
    corpus = store.corpus
    perplexity = og.Perplexity(corpus)
    few = {"steps": 2, "random_orders": 2, "progress": silent}
    og.sweep(model, {"upos": ranking}, perplexity, ["zero", "mean"], reference=store, **few).save(
        out / "sweep.parquet"
    )
    og.specificity(model, ranking, corpus, k=2, random_orders=2, resamples=100, progress=silent).save(
        out / "specificity.parquet"
    )
    og.clusters(store, progress=silent).save(out / "clusters.parquet")
    og.neuron_statistics(store).save(out / "statistics.parquet")
    about = store.provenance.model_copy(update={"stage": "effects"})
    replace(records.effects(), provenance=about).save(out / "effects.parquet")
