"""Import a NeuroX file into a store of activations."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from onegrain.activations.store.open import open_activations
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import StoreContent, require_dtype, require_writable, write_store
from onegrain.core.progress import Progress, automatic
from onegrain.corpora import as_corpus
from onegrain.errors import AlreadyDoneError, CorpusError, MismatchError, ParameterError, RecordError
from onegrain.formats.neurox.contents import Contents
from onegrain.formats.neurox.formats import READABLE, Format, format_of
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.space import NeuronSpace

__all__ = ["import_neurox"]

ONE_LAYER = re.compile(r"-layer([0-9]+)\Z")


def import_neurox(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    corpus: Any = None,
    sites: Sequence[str] | None = None,
    dtype: str = "float32",
    force: bool = False,
    progress: Progress = automatic,
    on_repeat: Callable[[], None] | None = None,
) -> Activations:
    """Read a NeuroX file into a store with one site per layer and one row per word.

    The file does not record which layers of the model it holds. By default, they are the layers that NeuroX's
    extractor writes without options: ``embeddings``, ``layers.0``, ``layers.1``, ... A file of one layer whose
    name ends in ``-layerN`` holds the N-th of these. An HDF5 file that onegrain exported names its sites. Pass
    ``sites`` if the file was written with ``filter_layers`` or ``ignore_embeddings``.

    Without a corpus, the words are those of the file, which NeuroX joins from subwords (``un##like##ly``); with
    a corpus, the store has its words and labels. For an empty sentence, NeuroX writes one token of zeros; that
    row is left out.

    Args:
        path: HDF5 (``.hdf5``, ``.h5``) or JSON lines (``.json``, ``.jsonl``).
        out: folder or URL of the store, usually named ``*.zarr``.
        corpus: the sentences from which the file was written, in order: a corpus, or an argument of
            :func:`~onegrain.read_corpus`. By default, the words are those of the file.
        sites: a name for each layer, in order.
        dtype: ``float32``, or ``float16`` for half the space.
        force: replace a finished store, or start an unfinished one over.
        progress: reports the number of imported words.
        on_repeat: called if the same import has already finished at ``out``, so that nothing is written.

    Returns:
        The finished store, opened: float array (words, neurons). If the same import has already finished at
        ``out``, its store is opened and nothing is written.

    Raises:
        RecordError: the file is not a NeuroX file, its words are ambiguous, or a value is not finite.
        MismatchError: the number of sentences, or of words in a sentence, differs between corpus and file.
        ParameterError: an option is invalid, or float16 cannot hold a value.
        OutputExistsError: another store exists and ``force`` is not set, or the path is not a store.
        MissingExtraError: the file is HDF5, but h5py is not installed.
        StorageError: the disk is full, read-only or missing.
    """
    source = Path(path)
    form = format_of(source, READABLE)
    require_dtype(dtype)
    if not source.is_file():
        raise RecordError(f"{source} does not exist" if not source.exists() else f"{source} is not a file")
    require_writable(folder_at(out), force=force)
    contents = form.read_contents(source, words=corpus is None)
    read = _corpus(source, contents, None if corpus is None else as_corpus(corpus))
    names = _names(source, contents, sites)
    space = NeuronSpace(names, (contents.width,) * contents.layers)
    parameters: dict[str, Any] = {"file": source.name, "format": form.name, "sha256": _digest(source)}
    provenance = Provenance(
        stage="import",
        corpus=CorpusIdentity.of(read),
        sites=names,
        parameters=parameters | {"dtype": dtype},
        inputs=(Provenance.model_validate(contents.origin.provenance),) if contents.origin else (),
    )
    try:
        with progress("import", read.n_words, "words") as advance:
            rows = _reporting(_rows(source, form, contents, read, space), advance)
            write_store(out, StoreContent(read, space, provenance, dtype), rows, force=force)
    except AlreadyDoneError:
        if on_repeat is not None:
            on_repeat()
    return open_activations(out)


def _corpus(source: Path, contents: Contents, corpus: Corpus | None) -> Corpus:
    """Return the words of the rows, after checking that each sentence has as many as the file has tokens."""
    if corpus is None:
        assert contents.sentences is not None
        try:
            read = Corpus.from_sentences(contents.sentences, source=str(source))
        except CorpusError as error:
            raise RecordError(f"{source}: its tokens cannot be words: {error}") from error
    else:
        read = corpus
    if not read.n_words:
        raise RecordError(f"{source}: there are no words to read")
    if read.n_sentences != len(contents.counts):
        raise MismatchError(
            f"{source} has {len(contents.counts)} sentences, but {read.source} has {read.n_sentences}; give "
            "the corpus that NeuroX read, one sentence per line"
        )
    words = np.diff(read.offsets)
    differing = np.flatnonzero((words != contents.counts) & ~_blank(words, contents))
    if differing.size:
        number = int(differing[0])
        raise MismatchError(
            f"{source}: sentence {number} (counted from 0) has {contents.counts[number]} tokens, but in "
            f"{read.source} {words[number]} words, {' '.join(read.sentence(number))!r}; {differing.size} of "
            f"{len(words)} sentences differ. Give the corpus that NeuroX read; NeuroX splits words at "
            "single spaces and truncates sentences that are too long for its model"
        )
    return read


def _blank(words: np.ndarray, contents: Contents) -> np.ndarray:
    """Return bool (sentences,), True for empty sentences, for which NeuroX writes one token."""
    return (words == 0) & (contents.counts == 1)


def _names(source: Path, contents: Contents, sites: Sequence[str] | None) -> tuple[str, ...]:
    """Return the name of the site of each layer."""
    if isinstance(sites, str) or (sites is not None and len(sites) != contents.layers):
        raise ParameterError(
            f"{source} has {contents.layers} layers of {contents.width} neurons; sites must name each of them, "
            f"in order, got {sites if isinstance(sites, str) else ', '.join(sites)!r}"
        )
    if sites is not None:
        return tuple(sites)
    if contents.origin is not None:
        return contents.origin.sites
    alone = ONE_LAYER.search(source.stem)
    first = int(alone.group(1)) if alone and contents.layers == 1 else 0
    return tuple(
        f"layers.{layer - 1}" if layer else "embeddings" for layer in range(first, first + contents.layers)
    )


def _digest(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(
    source: Path, form: Format, contents: Contents, read: Corpus, space: NeuronSpace
) -> Iterator[Float32[np.ndarray, "words neurons"]]:
    """Yield the values of each sentence as rows, and check that they are finite."""
    blank = _blank(np.diff(read.offsets), contents)
    for number, values in enumerate(form.read_values(source, contents)):
        block = values.reshape(len(values), space.size)
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            row, column = (int(value) for value in bad[0])
            raise RecordError(
                f"{source}: sentence {number} (counted from 0) has {block[row, column]} at token {row}, neuron "
                f"{space.name(column)}; a store holds only finite values"
            )
        if not blank[number]:
            yield block
        elif block.any():
            raise MismatchError(
                f"{source}: sentence {number} (counted from 0) has no words in {read.source}, but a token that "
                "is not all zeros in the file; give the corpus that NeuroX read"
            )


def _reporting(rows: Iterable[np.ndarray], advance: Any) -> Iterator[np.ndarray]:
    """Yield each block, and report its number of words when the next one is requested."""
    for block in rows:
        yield block
        advance(len(block))
