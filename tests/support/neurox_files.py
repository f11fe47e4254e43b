"""Files of NeuroX, written and read by the real package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.space import NeuronSpace

h5py = pytest.importorskip("h5py", reason="NeuroX's HDF5 needs h5py")

neurox_loader = pytest.importorskip("neurox.data.loader", reason="the real neurox is not installed")

neurox_writer = pytest.importorskip("neurox.data.writer", reason="the real neurox is not installed")

ENDINGS = ["hdf5", "json"]

TEXTS = [
    "a dog sleeps",
    "Straße 日本語",
    "a dog sleeps",
    "a dog sleeps (Occurrence 2)",
    "one",
    "a dog sleeps",
    "a dog sleeps (Occurrence 2)",
    "rain (Occurrence 7)",
    'a "quoted" word',
    "a  word that the tokenizer dropped",
]
"""Repeated sentences, sentences that end like a repeated one, and a word without letters."""


def values_of(sentences: Sequence[Sequence[str]], layers: int = 3, width: int = 5) -> list[np.ndarray]:
    """Return float32 (layers, tokens, width) for each sentence, with values of very different magnitudes."""
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal((layers, len(words), width)) for words in sentences]
    return [(table * 10.0 ** rng.integers(-6, 4, table.shape)).astype(np.float32) for table in drawn]


def split(texts: Sequence[str]) -> list[list[str]]:
    return [text.split(" ") for text in texts]


def write_neurox(path: Path, sentences, values, **options) -> Path:
    """Write a file with NeuroX's writer."""
    writer = neurox_writer.ActivationsWriter.get_writer(str(path), **options)
    for number, (words, value) in enumerate(zip(sentences, values, strict=True)):
        writer.write_activations(number, words, value)
    writer.close()
    return path


def rows(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return float32 (words, layers * width), layer by layer, as NeuroX holds it in memory."""
    return np.concatenate([np.concatenate(list(table), axis=1) for table in values])


def read_by_neurox(path: Path) -> tuple[np.ndarray, int]:
    sentences, layers = neurox_loader.load_activations(str(path))
    return np.concatenate(sentences), layers


def tiny_activations(sites=("embeddings", "layers.0"), widths=(4, 4), texts=tuple(TEXTS)) -> Activations:
    """Return activations in memory."""
    corpus = Corpus.from_sentences(split(texts), source="texts")
    array = np.random.default_rng(1).standard_normal((corpus.n_words, sum(widths))).astype(np.float32)
    return Activations.from_array(array, corpus, NeuronSpace(tuple(sites), tuple(widths)))
