"""Undamaged files of onegrain: records, stores, studies, trainings and models, and how each is read."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import onegrain as og

__all__ = [
    "activations",
    "begun_stores",
    "comparisons",
    "dictionaries",
    "finish_store",
    "import_neurox",
    "load_model",
    "load_record",
    "look_for_steps",
    "look_for_training",
    "models",
    "neurox",
    "open_comparison",
    "open_store",
    "records",
    "reports",
    "show",
    "stores",
    "studies",
    "trainings",
    "write_report",
]

SENTENCES = [["the", "old", "dog", "sleeps", "."], ["rain", "!"], ["Anna", "ran", "home", "at", "noon"]] * 3
TAGS = [["DET", "ADJ", "NOUN", "VERB", "PUNCT"], ["NOUN", "PUNCT"], ["PROPN", "VERB", "ADV", "ADP", "NOUN"]] * 3
SITES = {"layers.0": 4, "layers.1": 3}
RECIPE = "ab" * 32
IDENTITY = {"kind": "nlm", "version": "0", "options": {"epochs": 2}, "corpora": {"train": {"source": "a.txt"}}}


@lru_cache
def activations() -> Any:
    """Return a few words with drawn values."""
    from onegrain.records.space import NeuronSpace

    corpus = og.Corpus.from_sentences(SENTENCES, {"pos": TAGS}, source="a.txt")
    values = np.random.default_rng(0).normal(size=(corpus.n_words, sum(SITES.values()))).astype(np.float32)
    return og.Activations.from_array(values, corpus, NeuronSpace(tuple(SITES), tuple(SITES.values())))


def records(name: str) -> Callable[[Path], list[Path]]:
    """Return what writes records of one kind, small ones and such as the methods make."""

    def write(folder: Path) -> list[Path]:
        from support.records import RECORDS

        make, _ = RECORDS[name]
        make().save(folder / name)
        acts = activations()
        if name == "ranking.parquet":
            og.rank("probeless", acts, label="pos", min_count=1).save(folder / "labels" / name)
            og.rank("std", acts).save(folder / "plain" / name)
        elif name == "clusters.parquet":
            og.clusters(acts).save(folder / "more" / name)
        elif name == "cards.json":
            og.neuron_cards(acts, ["layers.0:1", "layers.1:2"]).save(folder / "more" / name)
        return sorted(path for path in folder.rglob("*") if path.is_file())

    return write


def load_record(path: Path) -> Any:
    """Load a record by the kind that its name says."""
    from support.records import RECORDS

    return RECORDS[path.name][1](path)


def all_records(folder: Path) -> list[Path]:
    """Write one record of each kind, with the details that the methods give it."""
    from support.records import curve

    acts = activations()
    ranking = og.rank("lca", acts, label="pos", min_count=1, lambda1=0.001, lambda2=0.001)
    ranking.save(folder / "rankings" / "lca.parquet")
    probeless = og.rank("probeless", acts, label="pos", min_count=1)
    probeless.save(folder / "rankings" / "probeless.parquet")
    og.stability(ranking, acts, resamples=2, k=[2]).save(folder / "stability" / "lca.parquet")
    both = {"lca": ranking, "probeless": probeless}
    og.evaluate(both, acts, label="pos", min_count=1).save(folder / "evaluation.parquet")
    og.similarity(acts, acts).save(folder / "similarity.parquet")
    og.clusters(acts).save(folder / "clusters.parquet")
    og.neuron_cards(acts, ["layers.0:1"], rankings={"lca": ranking}).save(folder / "cards.json")
    replace(curve(), details={"order": ranking.order_hash}).save(folder / "curves" / "lca.parquet")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def show(path: Path) -> None:
    """Print a record as ``onegrain show`` does, for a reader and as JSON."""
    from onegrain.cli.verbs.show import run

    for as_json in (False, True):
        with redirect_stdout(io.StringIO()):
            run(str(path), as_json=as_json)


def _content(small: bool = False) -> Any:
    from onegrain.activations.store.layout import Grid
    from onegrain.activations.store.writer import StoreContent

    class Small(StoreContent):
        """A content whose few words are several shards."""

        @property
        def grid(self) -> Grid:
            return Grid(8, 4, 4, 8)

    acts = activations()
    return (Small if small else StoreContent)(acts.corpus, acts.space, acts.provenance, "float32")


def stores(folder: Path) -> list[Path]:
    """Write finished stores, of one shard and of several."""
    from onegrain.activations.store.writer import write_store

    for name, small in (("words.zarr", False), ("shards.zarr", True)):
        write_store(folder / name, _content(small), [np.asarray(activations().values())], force=False)
    return [folder / "words.zarr", folder / "shards.zarr"]


def open_store(path: Path) -> Any:
    """Read all of a store."""
    return og.open_activations(path).values()


def begun_stores(folder: Path) -> list[Path]:
    """Write stores of which no shard is written, and of which two are."""
    from onegrain.activations.store.places.locate import folder_at
    from onegrain.activations.store.writer import StoreWriter

    for shards in (0, 2):
        writer = StoreWriter(folder_at(folder / f"begun{shards}.zarr"), _content(small=True), force=False)
        if shards:
            writer.write(np.asarray(activations().values())[: 8 * shards])
        writer.close()
    return [folder / "begun0.zarr", folder / "begun2.zarr"]


def finish_store(path: Path) -> Any:
    """Go on with an unfinished store to its end, and read it."""
    from onegrain.activations.store.places.locate import folder_at
    from onegrain.activations.store.writer import StoreWriter

    writer = StoreWriter(folder_at(path), _content(small=True), force=False)
    try:
        writer.write(np.asarray(activations().values())[writer.rows_done :])
        writer.finish()
    finally:
        writer.close()
    return open_store(path)


def neurox(name: str) -> Callable[[Path], list[Path]]:
    """Return what writes a file in one of NeuroX's formats."""

    def write(folder: Path) -> list[Path]:
        from onegrain.records.space import NeuronSpace

        acts, space = activations(), NeuronSpace(("layers.0", "layers.1"), (3, 3))
        values = np.asarray(acts.values())[:, :6]
        og.export_neurox(og.Activations.from_array(values, acts.corpus, space), folder / name)
        return [folder / name]

    return write


def import_neurox(path: Path) -> Any:
    """Import a file of NeuroX, and look whether it is one that may be replaced."""
    from onegrain.formats.neurox import hdf5, jsonlines

    (jsonlines if path.suffix == ".json" else hdf5).is_export(path)
    return og.import_neurox(path, path.parent / "out.zarr").values()


def studies(folder: Path) -> list[Path]:
    """Write the folder of a study with a step that is done and one that is begun."""
    from onegrain.studies.notes import begin_step, finish_step

    study = folder / "study"
    for step in _steps():
        begin_step(study, step, RECIPE)
    og.rank("std", activations()).save(study / _steps()[0].output)
    finish_step(study, _steps()[0], RECIPE)
    return [study]


def _steps() -> list[Any]:
    from onegrain.studies.stages.rank import Rank
    from onegrain.studies.stages.stage import Step

    return [Step(Rank(), name, f"rankings/{name}.parquet", {}, (), {}) for name in ("done", "begun")]


def look_for_steps(path: Path) -> Any:
    """Look which steps of a study are done, and begin the others."""
    from onegrain.studies.notes import begin_step, is_done, sweep_study

    sweep_study(path, _steps())
    for step in _steps():
        if not is_done(path, step, RECIPE):
            begin_step(path, step, RECIPE)


def trainings(folder: Path) -> list[Path]:
    """Write a folder with a finished training, and one with two whole checkpoints."""
    from onegrain.models.lstm.training_folder import TrainingFolder

    for name in ("finished", "begun"):
        training = TrainingFolder(folder / name, IDENTITY)
        with training.claimed(force=False):
            for step in (1, 2):
                checkpoint = training.work / f"checkpoint-{step}"
                checkpoint.mkdir()
                (checkpoint / "model.safetensors").write_bytes(b"weights" * step)
                (checkpoint / "config.json").write_text('{"model_type": "x"}')
                training.complete(step, 1, finished=step == 2)
            last = training.newest()
            if name == "finished" and last is not None:
                with training.finishing(last, {**IDENTITY, "epochs": []}) as files:
                    (files / "tokenizer.json").write_text("{}")
    return [folder / "begun", folder / "finished"]


def look_for_training(path: Path) -> Any:
    """Look whether a training has finished, and where it goes on."""
    from onegrain.models.lstm.training_files import is_trained
    from onegrain.models.lstm.training_folder import TrainingFolder

    is_trained(path)
    training = TrainingFolder(path, IDENTITY)
    with training.claimed(force=False):
        return training.newest()


def reports(folder: Path) -> list[Path]:
    """Write a folder as a study leaves it: rankings, a curve, measures, a stability, activations."""
    from onegrain.core.sealing import write_sealed_json

    root = folder / "study"
    all_records(root)
    facts = {"record": "measures", "parameters": 9, "perplexity": 30.5, "low": 30.0, "high": None}
    write_sealed_json(root / "measures" / "m.json", facts, force=False)
    stores(root)
    return [root]


def write_report(path: Path) -> Any:
    """Look through a folder, and put the report of what it holds together."""
    from onegrain.reports import compose, left_out
    from onegrain.studies.gather import gather

    gathered = gather(path)
    return left_out(gathered), compose("x", gathered)


def comparisons(folder: Path) -> list[Path]:
    """Write the folder of a comparison, but for its pictures."""
    import json
    from hashlib import sha256

    out = folder / "comparison"
    out.mkdir()
    page = b'<meta name="generator" content="onegrain 0">'
    (out / "comparison.html").write_bytes(page)
    content = {"record": "comparison", "request": "x", "files": {"comparison.html": sha256(page).hexdigest()}}
    (out / "comparison.json").write_text(json.dumps(content))
    return [out]


def open_comparison(path: Path) -> Any:
    """Look whether a folder holds a comparison, and whether it may be replaced."""
    from onegrain.core.output import require_free
    from onegrain.reports.comparison_folder import comparison_layout, holds_comparison

    require_free(path, force=True, ours=comparison_layout())
    return holds_comparison(path, "x")


def models(folder: Path) -> list[Path]:
    """Save tiny models: one file of weights, several files with an index, and trained ones."""
    from transformers import AutoModel

    from support.tiny import tiny_bert, tiny_gpt2, tiny_nmt

    tiny_bert(folder / "whole")
    AutoModel.from_pretrained(folder / "whole").save_pretrained(folder / "bert", max_shard_size="8KB")
    for file in (folder / "whole").glob("*token*"):
        file.rename(folder / "bert" / file.name)
    return [tiny_gpt2(folder / "gpt2"), folder / "bert", tiny_nmt(folder / "nmt")]


def load_model(path: Path) -> Any:
    """Load a model."""
    return og.load_model(str(path), device="cpu").identity


def dictionaries(folder: Path) -> list[Path]:
    """Save dictionaries as two versions of SAELens do, and one of onegrain's own."""
    from onegrain.records.directions import Directions
    from onegrain.records.provenance import Provenance
    from support.saelens import config_v4, config_v6, random_weights, save_dictionary

    encoder = np.random.default_rng(1).normal(size=(3, 2))
    linear = Directions("layers.0", np.ones(3), encoder, encoder.T.copy(), Provenance(stage="rank"))
    linear.save(folder / "linear")
    saved = [
        save_dictionary(folder / name, config(), random_weights())
        for name, config in (("v6", config_v6), ("v4", config_v4))
    ]
    return [folder / "linear", *saved]
