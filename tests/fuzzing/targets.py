"""The readers and loaders that are fuzzed: what whole files each begins with, and how a damaged one is read."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onegrain as og
from fuzzing import saved
from fuzzing.mutations import change_json, damage
from fuzzing.saved import SENTENCES, TAGS
from fuzzing.sealed import reseal
from onegrain.corpora import read_word_list
from onegrain.models.dictionaries.dictionary import load_dictionary
from onegrain.studies.read import read_study

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True)
class Target:
    """A reader under fire.

    Attributes:
        name: kind of input that is read.
        share: its part of all inputs.
        seeds: writes whole files into a folder and returns them: files, or folders of files.
        read: reads a file or folder.
    """

    name: str
    share: float
    seeds: Callable[[Path], list[Path]]
    read: Callable[[Path], Any]

    def input(self, undamaged: list[Path], scratch: Path, rng: random.Random) -> Path:
        """Write a damaged copy of one of the whole files or folders, and return its path."""
        chosen = rng.choice(undamaged)
        path = scratch / chosen.name
        if chosen.is_dir():
            shutil.copytree(chosen, path)
            victim = rng.choice(sorted(file for file in path.rglob("*") if file.is_file()))
        else:
            shutil.copy(chosen, path)
            victim = path
        others = [file.read_bytes() for file in undamaged if file.is_file()]
        is_json = victim.suffix == ".json" and victim.name != "acts.json"
        if rng.random() < 0.5 and reseal(victim, rng):
            return path
        if is_json and rng.random() < 0.5:
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
    lines = []
    for words, tags in zip(SENTENCES, TAGS, strict=True):
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), start=1):
            lines.append("\t".join([str(number), word, "_", "_", tag, *"_" * 9]))
        lines.append("")
    return "\n".join(lines)


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


def _beside(folder: Path) -> list[Path]:
    """Write two files in a folder that belong together line by line."""
    texts = (SENTENCES, TAGS)
    (folder / "both").mkdir()
    for name, lines in zip(("words.txt", "others.txt"), texts, strict=True):
        (folder / "both" / name).write_text("".join(" ".join(line) + "\n" for line in lines))
    return [folder / "both"]


def _read_beside(path: Path) -> Any:
    return og.read_corpus(path / "words.txt", labels={"pos": path / "others.txt"})


def _read_parallel(path: Path) -> Any:
    return og.read_parallel(path / "words.txt", path / "others.txt")


def _records() -> Iterator[Target]:
    names = ("ranking", "curve", "evaluation", "stability", "similarity", "clusters", "control")
    for name in names:
        yield Target(f"{name} records", 0.025, saved.records(f"{name}.parquet"), saved.load_record)
    yield Target("cards", 0.03, saved.records("cards.json"), saved.load_record)


TARGETS = {
    target.name: target
    for target in (
        Target("CoNLL-U", 0.07, _texts("a.conllu"), og.read_corpus),
        Target("CoNLL-U Plus", 0.05, _texts("a.conllup"), og.read_corpus),
        Target("CoNLL-2009", 0.05, _texts("a.conll"), og.read_corpus),
        Target("columns", 0.07, _texts("b.txt", "c.txt"), og.read_corpus),
        Target("CSV and TSV", 0.08, _texts("a.csv", "a.tsv"), og.read_corpus),
        Target("JSON lines", 0.07, _texts("a.jsonl"), og.read_corpus),
        Target("guess", 0.06, _texts("a.txt", "b.txt", "c.txt"), og.read_corpus),
        Target("label files", 0.03, _beside, _read_beside),
        Target("parallel text", 0.02, _beside, _read_parallel),
        Target("word lists", 0.03, _texts("words.tsv"), read_word_list),
        Target("study files", 0.03, _texts("study.toml"), read_study),
        *_records(),
        Target("show", 0.03, saved.all_records, saved.show),
        Target("stores", 0.04, saved.stores, saved.open_store),
        Target("begun stores", 0.01, saved.begun_stores, saved.finish_store),
        Target("study notes", 0.02, saved.studies, saved.look_for_steps),
        Target("trainings", 0.04, saved.trainings, saved.look_for_training),
        Target("report folders", 0.002, saved.reports, saved.write_report),
        Target("comparisons", 0.02, saved.comparisons, saved.open_comparison),
        Target("NeuroX JSON", 0.02, saved.neurox("acts.json"), saved.import_neurox),
        Target("NeuroX HDF5", 0.02, saved.neurox("acts.hdf5"), saved.import_neurox),
        Target("dictionaries", 0.03, saved.dictionaries, load_dictionary),
        Target("models", 0.01, saved.models, saved.load_model),
    )
}
