"""The corpora of a study, read where they are needed."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from onegrain.corpora import read_corpus, read_parallel
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.studies.entries import CorpusSource, SandboxSource
from onegrain.synthetic import SandboxParts, sandbox_parts

__all__ = ["data_folder", "load_corpus"]


def data_folder(beside: Path) -> Path:
    """Where a study's corpora lie: ``ONEGRAIN_DATA``, else the folder of the study file."""
    named = os.environ.get("ONEGRAIN_DATA")
    return Path(named) if named else beside


def load_corpus(origin: CorpusSource, data: Path) -> Corpus:
    """Read one corpus of a study; its ``source`` is the path in the study, so results name no machine."""
    if origin.sandbox is not None:
        corpus = _sandbox(origin.sandbox)
    elif origin.path is not None:
        labels = {name: _there(data, file) for name, file in (origin.labels or {}).items()} or None
        corpus = read_corpus(
            _there(data, origin.path), labels=labels, format=origin.format, columns=origin.columns
        )
        corpus = replace(corpus, source=origin.path)
    else:
        pair = read_parallel(_there(data, str(origin.source)), _there(data, str(origin.target)))
        target = None if pair.target is None else replace(pair.target, source=str(origin.target))
        corpus = replace(pair, source=str(origin.source), target=target)
    if origin.part is not None:
        first, every = origin.part
        corpus = corpus.select(np.arange(first - 1, corpus.n_sentences, every))
    if origin.limit is not None:
        corpus = corpus.head(origin.limit)
    return corpus.lower() if origin.lower else corpus


def _there(data: Path, name: str) -> Path:
    path = data / name
    if not path.is_file():
        raise CorpusError(
            "the file does not exist; set ONEGRAIN_DATA to the folder that the study's paths start from", path
        )
    return path


@lru_cache(maxsize=4)
def _parts(
    parts: int, sentences: int, held_out: int, seed: int, language: str, parallel: str | None
) -> SandboxParts:
    return sandbox_parts(parts, sentences, held_out, seed=seed, language=language, parallel=parallel)


def _sandbox(origin: SandboxSource) -> Corpus:
    made = _parts(
        origin.parts, origin.sentences, origin.held_out, origin.seed, origin.language, origin.parallel
    )
    if origin.take == "valid":
        return made.valid
    if origin.take == "test":
        return made.test
    return made.train[int(origin.take)]
