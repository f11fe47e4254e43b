"""From a model and a corpus to a store of activations."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from onegrain.activations.alignment import require_aggregate
from onegrain.activations.reading import Reader, encode_rows
from onegrain.activations.store import open_activations
from onegrain.activations.writing import Content, StoreWriter, require_writable
from onegrain.core.activations import Activations
from onegrain.core.corpus import Corpus
from onegrain.core.progress import Progress, silent
from onegrain.core.provenance import CorpusIdentity, Provenance
from onegrain.errors import CorpusError, InputError, ParameterError
from onegrain.models.loaded import LoadedModel
from onegrain.models.loading import load_model
from onegrain.models.sites import Side, SitePoint

__all__ = ["extract"]

DTYPES = ("float32", "float16")


def extract(
    model: str | os.PathLike[str] | LoadedModel,
    corpus: Corpus,
    out: str | os.PathLike[str],
    *,
    sites: str | Iterable[str] | None = None,
    aggregate: str = "last",
    dtype: str = "float32",
    side: Side | None = None,
    batch_size: int = 64,
    force: bool = False,
    progress: Progress = silent,
) -> Activations:
    """Read every word of a corpus with a model and store what its neurons did.

    Encoders and language models read the corpus. A decoder (sites of side ``target``) reads the corpus's
    parallel side under teacher forcing: the start token and then the reference translation, while the encoder
    reads the source; a word's value is the decoder's state where the word is its input, and the store's words
    are those of the parallel side.

    A run that was cut off, whatever by, goes on when it is started again with the same arguments (only
    ``batch_size`` may differ), and its store has the bytes of one that ran through.

    Args:
        model: a folder, a hub id, or a loaded model.
        corpus: the words, with the label layers that the store is to carry.
        out: the store, a folder by custom named ``*.zarr``.
        sites: glob patterns of site names, or module paths; by default every named site of ``side``.
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        dtype: ``float32``, or ``float16`` for half the space.
        side: ``source`` or ``target``; by default that of the sites, which must then agree.
        batch_size: sentences in one forward pass; the values do not depend on it, but for rounding.
        force: replace a finished store, or start an unfinished one over.
        progress: told how many words are done.

    Returns:
        The finished store, opened: float array (words, neurons), rows in the order of the corpus's words.

    Raises:
        ModelError: no such site, or a value that is not finite.
        CorpusError: no words, a word without subword, or a sentence longer than the model reads.
        ParameterError: an impossible option, sites of both sides, or a value that float16 cannot hold.
        OutputExistsError: the store is finished already and ``force`` is not set.
        MismatchError: the unfinished store that is there was begun with other arguments.
        StorageError: the disk is full, read-only or gone.
    """
    store, subwords = Path(out), require_aggregate(aggregate)
    if dtype not in DTYPES:
        raise ParameterError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}")
    require_writable(store, force=force)
    loaded = load_model(model)
    points = _points(loaded, sites, side)
    read = _read_side(corpus, points[0].side)
    space = loaded.space([point.name for point in points])
    rows = encode_rows(loaded, corpus, points[0].side, subwords)
    parameters: dict[str, Any] = {"aggregate": aggregate, "dtype": dtype}
    if read is not corpus:
        parameters |= {"read_from": CorpusIdentity.of(corpus).model_dump()}
    provenance = Provenance(
        stage="extract",
        model=loaded.identity,
        corpus=CorpusIdentity.of(read),
        sites=space.sites,
        parameters=parameters,
    )
    reader = Reader(loaded, points, space, read, rows, batch_size)
    _fill(StoreWriter(store, Content(read, space, provenance, dtype), force=force), reader, progress)
    return open_activations(store)


def _fill(writer: StoreWriter, reader: Reader, progress: Progress) -> None:
    """Write what is missing; what no repetition of the command could finish is not left behind."""
    with progress("extract", reader.corpus.n_words, "words") as advance:
        advance(writer.rows_done)
        try:
            for shard in range(writer.done, writer.content.n_shards):
                start, stop = writer.span(shard)
                writer.write(reader.read(start, stop))
                advance(stop - start)
            writer.finish()
        except InputError:
            writer.discard()
            raise
        finally:
            writer.close()


def _points(loaded: LoadedModel, sites: str | Iterable[str] | None, side: Side | None) -> list[SitePoint]:
    """The sites to read, all of one side."""
    if side not in (None, "source", "target"):
        raise ParameterError(f"side must be source or target, got {side!r}")
    chosen = loaded.select(sites, side=side)
    if not chosen:
        raise ParameterError(
            f"{loaded.identity.id} has no such site that reads the {side} words; the sites are: "
            + ", ".join(f"{point.name} ({point.side})" for point in loaded.points.values())
        )
    if len({point.side for point in chosen}) > 1:
        of = {side: ", ".join(p.name for p in chosen if p.side == side) for side in ("source", "target")}
        raise ParameterError(
            f"the sites {of['source']} read the source words, but {of['target']} the target words; one store "
            "holds one side: extract two stores, with side='source' and side='target'"
        )
    return chosen


def _read_side(corpus: Corpus, side: Side) -> Corpus:
    """The corpus whose words become the rows."""
    if side == "target" and corpus.target is None:
        raise ParameterError(
            f"{corpus.source} has no parallel side, which decoder sites read; read it with read_parallel"
        )
    read = corpus.target if side == "target" and corpus.target is not None else corpus
    if not read.n_words:
        raise CorpusError("there are no words to read", read.source)
    return read
