"""From a file of NeuroX to a store of activations."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from onegrain.activations.store.open import open_activations
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import StoreContent, require_dtype, require_writable, write_store
from onegrain.core.progress import Progress, automatic
from onegrain.corpora import as_corpus
from onegrain.errors import CorpusError, MismatchError, ParameterError, RecordError
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
) -> Activations:
    """Read a file of NeuroX into a store: a site a layer, a row a word.

    The file does not say which layers of the model it holds. By default the layers are what NeuroX's extractor
    writes when it is told nothing: ``embeddings``, ``layers.0``, ``layers.1``, ...; a file of one layer whose
    name ends in ``-layerN`` is the N-th of these; an HDF5 file that onegrain exported names its own sites.
    Name the sites where the file was written with ``filter_layers`` or ``ignore_embeddings``.

    The words are those of the file, which NeuroX puts together from subwords (``un##like##ly``); give the
    corpus to have its words and its labels. An empty sentence of the corpus may be one token of zeros in the
    file, as NeuroX writes an empty line; that row is left out.

    Args:
        path: HDF5 (``.hdf5``, ``.h5``) or JSON lines (``.json``, ``.jsonl``).
        out: the store, a folder or a URL, by custom named ``*.zarr``.
        corpus: the sentences that the file was made from, in order; by default the file's own words;
            a corpus, or what :func:`~onegrain.read_corpus` takes.
        sites: a name for each layer, in order.
        dtype: ``float32``, or ``float16`` for half the space.
        force: replace a finished store, or start an unfinished one over.
        progress: told how many words are done.

    Returns:
        The finished store, opened: float array (words, neurons).

    Raises:
        RecordError: not a file of NeuroX, its words cannot be told, or a value that is not finite.
        MismatchError: the corpus has other sentences, or a sentence other words, than the file has tokens.
        ParameterError: an impossible option, or a value that float16 cannot hold.
        AlreadyDoneError: the same store is there already and ``force`` is not set.
        OutputExistsError: another store is there and ``force`` is not set, or something that is not a store.
        MissingExtraError: an HDF5 file, but h5py is not installed.
        StorageError: the disk is full, read-only or gone.
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
    given: dict[str, Any] = {"file": source.name, "format": form.name, "sha256": _digest(source)}
    provenance = Provenance(
        stage="import",
        corpus=CorpusIdentity.of(read),
        sites=names,
        parameters=given | {"dtype": dtype},
        inputs=(Provenance.model_validate(contents.origin.provenance),) if contents.origin else (),
    )
    with progress("import", read.n_words, "words") as advance:
        rows = _rows(source, form, contents, read, space)
        write_store(out, StoreContent(read, space, provenance, dtype), _told(rows, advance), force=force)
    return open_activations(out)


def _corpus(source: Path, contents: Contents, corpus: Corpus | None) -> Corpus:
    """The words of the rows, as many in every sentence as the file has tokens."""
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
            f"{source} has {len(contents.counts)} sentences, but {read.source} {read.n_sentences}; give the "
            "corpus that NeuroX read, one sentence a line"
        )
    words = np.diff(read.offsets)
    odd = np.flatnonzero((words != contents.counts) & ~_blank(words, contents))
    if odd.size:
        at = int(odd[0])
        raise MismatchError(
            f"{source}: sentence {at} (counted from 0) has {contents.counts[at]} tokens, but in {read.source} "
            f"{words[at]} words, {' '.join(read.sentence(at))!r}; {odd.size} of {len(words)} sentences differ. "
            "Give the corpus that NeuroX read; it splits at single spaces, and cuts what its model cannot read"
        )
    return read


def _blank(words: np.ndarray, contents: Contents) -> np.ndarray:
    """bool (sentences,): an empty sentence, for which NeuroX writes one token."""
    return (words == 0) & (contents.counts == 1)


def _names(source: Path, contents: Contents, sites: Sequence[str] | None) -> tuple[str, ...]:
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
    """Every sentence's values, in order."""
    blank = _blank(np.diff(read.offsets), contents)
    for number, values in enumerate(form.read_values(source, contents)):
        block = values.reshape(len(values), space.size)
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            row, column = (int(value) for value in bad[0])
            raise RecordError(
                f"{source}: sentence {number} (counted from 0) has {block[row, column]} at token {row}, neuron "
                f"{space.name(column)}; a store holds finite values only"
            )
        if not blank[number]:
            yield block
        elif block.any():
            raise MismatchError(
                f"{source}: sentence {number} (counted from 0) has no words in {read.source}, but a token that "
                "is not all zeros in the file; give the corpus that NeuroX read"
            )


def _told(rows: Iterable[np.ndarray], advance: Any) -> Iterator[np.ndarray]:
    for block in rows:
        yield block
        advance(len(block))
