"""The parallel corpora that study files name for a model; records keep no translations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onegrain.core.text import visible
from onegrain.explorer.collection import Collection
from onegrain.records.corpus import Corpus

if TYPE_CHECKING:
    from onegrain.studies.entries import CorpusSource
    from onegrain.studies.study import Study

__all__ = ["ParallelCorpus", "missing_corpora", "study_corpora"]


@dataclass(frozen=True)
class ParallelCorpus:
    """A parallel corpus that a study names for a model.

    Attributes:
        name: its name in the study.
        read: returns it with at most some number of sentences.
    """

    name: str
    read: Callable[[int], Corpus]


def study_corpora(collection: Collection, model: str) -> tuple[ParallelCorpus, ...]:
    """Return the parallel corpora that are here for a model, those that it was tested on first.

    They are the corpora on which the collection's study files test, validate or measure the model; that on
    which it was trained is left out.
    """
    return tuple(
        ParallelCorpus(visible(name), _reader(source, file))
        for name, source, file in _named(collection, model)
        if _exists(source, file)
    )


def missing_corpora(collection: Collection, model: str) -> tuple[str, ...]:
    """Return the names of the parallel corpora for a model whose files are not where the study says."""
    return tuple(visible(name) for name, source, file in _named(collection, model) if not _exists(source, file))


def _named(collection: Collection, model: str) -> Iterator[tuple[str, CorpusSource, Path]]:
    """Yield the name, the source and the study's file of each parallel corpus of a model."""
    for file in collection.study_files:
        study = collection.derived(f"study\0{file}", lambda file=file: _study(file))  # type: ignore[misc]
        entry = study.models.get(model)
        if entry is None:
            continue
        names = [entry.test, entry.valid]
        names += (
            name for _, _, stage in study.stage_entries() if model in stage.models for name in stage.corpora
        )
        for name in dict.fromkeys(names):
            if name is not None and name != entry.train and _is_parallel(study.corpora[name]):
                yield name, study.corpora[name], file


def _study(file: Path) -> Study:
    from onegrain.studies.read import read_study

    return read_study(file)


def _is_parallel(source: CorpusSource) -> bool:
    return source.source is not None or (source.sandbox is not None and source.sandbox.parallel is not None)


def _exists(source: CorpusSource, file: Path) -> bool:
    """Return True unless a corpus has files that are missing."""
    from onegrain.studies.read_corpora import data_folder

    names = [name for name in (source.source, source.target) if name is not None]
    return all((data_folder(file.parent) / name).is_file() for name in names)


def _reader(source: CorpusSource, file: Path) -> Callable[[int], Corpus]:
    def read(sentences: int) -> Corpus:
        from onegrain.studies.read_corpora import data_folder, load_corpus

        return load_corpus(source, data_folder(file.parent)).head(sentences)

    return read
