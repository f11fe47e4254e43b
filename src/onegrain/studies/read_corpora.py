"""Read the corpora of a study."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from onegrain.corpora import annotate_words, read_corpus, read_parallel, value_lexicon
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.studies.entries import CorpusSource, SandboxSource
from onegrain.synthetic import SandboxParts, sandbox_pairs, sandbox_parts

__all__ = ["annotated", "data_folder", "load_corpus"]


def data_folder(beside: Path) -> Path:
    """Return the folder of a study's corpora: ``ONEGRAIN_DATA``, or else the folder of the study file."""
    variable = os.environ.get("ONEGRAIN_DATA")
    return Path(variable) if variable else beside


def load_corpus(source: CorpusSource, data: Path) -> Corpus:
    """Read one corpus of a study.

    Its ``source`` is the path that the study names, so that records do not depend on the machine.
    """
    if source.sandbox is not None:
        corpus = _sandbox(source.sandbox)
    elif source.path is not None:
        labels = {name: _existing(data, file) for name, file in (source.labels or {}).items()} or None
        corpus = read_corpus(
            _existing(data, source.path), labels=labels, format=source.format, columns=source.columns
        )
        corpus = replace(corpus, source=source.path)
    else:
        pair = read_parallel(_existing(data, str(source.source)), _existing(data, str(source.target)))
        target = None if pair.target is None else replace(pair.target, source=str(source.target))
        corpus = replace(pair, source=str(source.source), target=target)
    if source.part is not None:
        first, every = source.part
        corpus = corpus.select(np.arange(first - 1, corpus.n_sentences, every))
    if source.limit is not None:
        corpus = corpus.head(source.limit)
    return corpus.lower() if source.lower else corpus


def annotated(corpus: Corpus, source: CorpusSource, read: Callable[[str], Corpus]) -> Corpus:
    """Return a corpus with the label layers that its entry adds by the form of words.

    Args:
        corpus: the corpus.
        source: its entry.
        read: reads another corpus of the study.
    """
    for layer, words in source.annotate.items():
        if isinstance(words, str):
            labels = value_lexicon(read(words), layer)
        else:
            labels = {word: label for label, listed in words.items() for word in listed}
        corpus = annotate_words(corpus, layer, labels)
    return corpus


def _existing(data: Path, name: str) -> Path:
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


def _sandbox(source: SandboxSource) -> Corpus:
    if source.pairs is not None:
        return sandbox_pairs(
            source.held_out,
            source.pairs,
            seed=source.seed,
            language=source.language,
            parallel=source.parallel,
        )
    parts = _parts(
        source.parts, source.sentences, source.held_out, source.seed, source.language, source.parallel
    )
    if source.take == "valid":
        return parts.valid
    if source.take == "test":
        return parts.test
    assert source.take is not None  # the entry has one of take and pairs
    return parts.train[int(source.take)]
