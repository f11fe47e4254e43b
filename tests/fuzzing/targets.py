"""The readers and loaders that are fuzzed: what whole files each begins with, and how a damaged one is read."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import onegrain as og
from fuzzing.mutations import change_json, damage
from onegrain.corpora import read_word_list
from onegrain.studies.specification import read_study

__all__ = ["TARGETS", "Target"]

SENTENCES = [["the", "old", "dog", "sleeps", "."], ["rain", "!"], ["Anna", "ran", "home", "at", "noon"]] * 3
TAGS = [["DET", "ADJ", "NOUN", "VERB", "PUNCT"], ["NOUN", "PUNCT"], ["PROPN", "VERB", "ADV", "ADP", "NOUN"]] * 3
SITES = {"layers.0": 4, "layers.1": 3}


@dataclass(frozen=True)
class Target:
    """A reader under fire.

    Attributes:
        name: what is read.
        share: its part of all inputs.
        seeds: writes whole files into a folder and returns them: files, or folders of files.
        read: reads a file or folder.
        spoil: in place of :func:`fuzzing.mutations.damage`, changes a file on disk.
    """

    name: str
    share: float
    seeds: Callable[[Path], list[Path]]
    read: Callable[[Path], Any]
    spoil: Callable[[Path, random.Random], None] | None = None

    def input(self, whole: list[Path], scratch: Path, rng: random.Random) -> Path:
        """Write a damaged copy of one of the whole files or folders, and return its path."""
        chosen = rng.choice(whole)
        path = scratch / chosen.name
        if chosen.is_dir():
            shutil.copytree(chosen, path)
            victim = rng.choice(sorted(file for file in path.rglob("*") if file.is_file()))
        else:
            shutil.copy(chosen, path)
            victim = path
        others = [file.read_bytes() for file in whole if file.is_file()]
        is_json = victim.suffix == ".json" and victim.name != "acts.json"
        if self.spoil is not None and rng.random() < 0.5:
            self.spoil(victim, rng)
        elif is_json and rng.random() < 0.5:
            victim.write_text(change_json(victim.read_text(), rng))
        else:
            victim.write_bytes(damage(victim.read_bytes(), others, rng))
        return path


def _texts(*names: str) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        for name in names:
            (folder / name).write_text(CORPORA[name])
        return [folder / name for name in names]

    return write


def _rows(between: str, *, ids: bool = False) -> str:
    return "\n".join(
        "".join(
            between.join(([str(number)] if ids else []) + [word, tag]) + "\n"
            for number, (word, tag) in enumerate(zip(words, tags, strict=True), start=1)
        )
        for words, tags in zip(SENTENCES, TAGS, strict=True)
    )


def _conllu() -> str:
    lines = ["# sent_id = 1", "1-2\tdon't" + "\t_" * 7 + "\tSpaceAfter=No"]
    for words, tags in zip(SENTENCES, TAGS, strict=True):
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), start=1):
            lines.append(f"{number}\t{word}\t_\t{tag}\tX\tNumber=Sing|Case=Nom\t0\troot\t_\tSpaceAfter=No")
        lines += ["2.1\tx" + "\t_" * 8, ""]
    return "\n".join(lines)


def _conll2009() -> str:
    return (
        _rows("\t", ids=True)
        .replace("\tNOUN", "\tNOUN\t_")
        .replace("\n", "\t_" * 12 + "\n")
        .replace("\n\t_", "\n")
    )


CORPORA = {
    "a.conllu": _conllu(),
    "a.conllup": "# global.columns = ID FORM X:NER\n" + _rows("\t", ids=True),
    "a.conll": _conll2009(),
    "a.txt": "\n".join(" ".join(words) for words in SENTENCES),
    "b.txt": _rows(" "),
    "c.txt": _rows("\t"),
    "a.tsv": "word\tpos\n" + _rows("\t"),
    "a.csv": "sentence_id,word,pos\n"
    + "".join(
        f'{number},"{word}",{tag}\n'
        for number, (words, tags) in enumerate(zip(SENTENCES, TAGS, strict=True))
        for word, tag in zip(words, tags, strict=True)
    ),
    "a.jsonl": "".join(
        json.dumps({"words": words, "pos": tags, "id": 3}) + "\n"
        for words, tags in zip(SENTENCES, TAGS, strict=True)
    ),
    "words.tsv": "dog\tanimal\nrain\tweather\n",
    "study.toml": (Path(og.__file__).parent / "studies" / "demo.toml").read_text(),
}


@lru_cache
def _activations() -> Any:
    corpus = og.Corpus.from_sentences(SENTENCES, {"pos": TAGS}, source="a.txt")
    values = np.random.default_rng(0).normal(size=(corpus.n_words, sum(SITES.values()))).astype(np.float32)
    from onegrain.core.space import NeuronSpace

    return og.Activations.from_array(values, corpus, NeuronSpace(tuple(SITES), tuple(SITES.values())))


def _records(folder: Path) -> list[Path]:
    acts = _activations()
    ranking = og.rank("probeless", acts, label="pos", min_count=1)
    ranking.save(folder / "ranking.parquet")
    og.rank("std", acts).save(folder / "plain.parquet")
    og.clusters(acts).save(folder / "clusters.parquet")
    return sorted(folder.glob("*.parquet"))


def _load_record(path: Path) -> Any:
    from onegrain.core.clusters import Clusters
    from onegrain.core.ranking import Ranking

    return (Clusters if path.stem == "clusters" else Ranking).load(path)


def _reseal(path: Path, rng: random.Random) -> None:
    """Change a record's header and seal it again, as a hand that knows the format would."""
    import pyarrow.parquet as pq

    from onegrain.core import tables

    table = pq.read_table(path)
    header = change_json(table.schema.metadata[tables.KEY].decode(), rng)
    frame: pd.DataFrame = table.to_pandas()
    if rng.random() < 0.3:
        column = rng.choice(list(frame.columns))
        frame = frame.drop(columns=column) if rng.random() < 0.5 else frame.assign(**{column: "x"})
    import pyarrow as pa

    path.write_bytes(tables._sealed(pa.Table.from_pandas(frame, preserve_index=False), header.encode()))


def _cards(folder: Path) -> list[Path]:
    og.neuron_cards(_activations(), ["layers.0:1", "layers.1:2"]).save(folder / "cards.json")
    return [folder / "cards.json"]


def _stores(folder: Path) -> list[Path]:
    from onegrain.activations.writing import Content, write_store

    acts = _activations()
    content = Content(acts.corpus, acts.space, acts.provenance, "float32")
    write_store(folder / "words.zarr", content, [np.asarray(acts.values())], force=False)
    return [folder / "words.zarr"]


def _open_store(path: Path) -> Any:
    return og.open_activations(path).values()


def _begun(folder: Path) -> list[Path]:
    from onegrain.activations.folder import folder_at
    from onegrain.activations.writing import Content, StoreWriter

    acts = _activations()
    content = Content(acts.corpus, acts.space, acts.provenance, "float32")
    StoreWriter(folder_at(folder / "begun.zarr"), content, force=False).close()
    return [folder / "begun.zarr"]


def _resume(path: Path) -> Any:
    from onegrain.activations.writing import Content, write_store

    acts = _activations()
    content = Content(acts.corpus, acts.space, acts.provenance, "float32")
    return write_store(path, content, [np.asarray(acts.values())], force=False)


def _neurox(name: str) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        sizes = {"layers.0": 3, "layers.1": 3}
        from onegrain.core.space import NeuronSpace

        acts = _activations()
        og.export_neurox(
            og.Activations.from_array(
                np.asarray(acts.values())[:, :6], acts.corpus, NeuronSpace(tuple(sizes), tuple(sizes.values()))
            ),
            folder / name,
        )
        return [folder / name]

    return write


def _import(path: Path) -> Any:
    return og.import_neurox(path, path.parent / "out.zarr").values()


def _models(folder: Path) -> list[Path]:
    from tiny import tiny_bert, tiny_gpt2

    return [tiny_gpt2(folder / "gpt2"), tiny_bert(folder / "bert")]


def _load_model(path: Path) -> Any:
    return og.load_model(str(path), device="cpu").identity


def _dictionaries(folder: Path) -> list[Path]:
    from saelens import config_v4, config_v6, random_weights, save_dictionary

    return [
        save_dictionary(folder / name, config(), random_weights())
        for name, config in (("v6", config_v6), ("v4", config_v4))
    ]


def _load_dictionary(path: Path) -> Any:
    from onegrain.models.dictionaries import load_dictionary

    return load_dictionary(path)


TARGETS = {
    target.name: target
    for target in (
        Target("CoNLL-U", 0.1, _texts("a.conllu"), og.read_corpus),
        Target("CoNLL-U Plus", 0.05, _texts("a.conllup"), og.read_corpus),
        Target("CoNLL-2009", 0.05, _texts("a.conll"), og.read_corpus),
        Target("columns", 0.1, _texts("b.txt", "c.txt"), og.read_corpus),
        Target("CSV and TSV", 0.1, _texts("a.csv", "a.tsv"), og.read_corpus),
        Target("JSON lines", 0.1, _texts("a.jsonl"), og.read_corpus),
        Target("guess", 0.1, _texts("a.txt", "b.txt", "c.txt"), og.read_corpus),
        Target("word lists", 0.03, _texts("words.tsv"), read_word_list),
        Target("studies", 0.03, _texts("study.toml"), read_study),
        Target("records", 0.14, _records, _load_record, _reseal),
        Target("cards", 0.05, _cards, og.NeuronCards.load),
        Target("stores", 0.05, _stores, _open_store),
        Target("begun stores", 0.02, _begun, _resume),
        Target("NeuroX JSON", 0.02, _neurox("acts.json"), _import),
        Target("NeuroX HDF5", 0.02, _neurox("acts.hdf5"), _import),
        Target("dictionaries", 0.025, _dictionaries, _load_dictionary),
        Target("models", 0.015, _models, _load_model),
    )
}
