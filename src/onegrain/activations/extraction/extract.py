"""Extract activations: run a model over a corpus and write the values to a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

from onegrain.activations.extraction.options import EncodingOptions
from onegrain.activations.extraction.planning import Announce, ExtractionPlan, require_room
from onegrain.activations.extraction.reader import Block, Reader
from onegrain.activations.extraction.remote_reader import RemoteReader, extract_provenance, open_reader
from onegrain.activations.store.layout import Grid
from onegrain.activations.store.open import open_activations
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import StoreContent, StoreWriter, require_dtype, require_writable
from onegrain.core.progress import Progress, automatic
from onegrain.corpora import as_corpus
from onegrain.engines import Engine, LocalEngine, Work, engine_named
from onegrain.errors import AlreadyDoneError, InputError
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import Side
from onegrain.records.activations import Activations

__all__ = ["extract", "groups_of"]

READ_BYTES = 256 * 2**20
"""Bytes of float32 values that are read as one group; its sentences are batched by length."""


def extract(
    model: str | os.PathLike[str] | LoadedModel,
    corpus: Any,
    out: str | os.PathLike[str],
    *,
    sites: str | Iterable[str] | None = None,
    aggregate: str = "last",
    dtype: str = "float32",
    side: Side | None = None,
    long: str = "error",
    special_tokens: bool = False,
    bos: bool | None = None,
    batch_size: int = 64,
    engine: str | Engine = "local",
    force: bool = False,
    progress: Progress = automatic,
    announce: Announce | None = None,
) -> Activations:
    """Run a model over every word of a corpus and store the activations of its neurons.

    Encoders and language models read the corpus. A decoder (sites of side ``target``) reads the corpus's
    parallel side with teacher forcing: its input is the start token and then the reference translation, while
    the encoder reads the source. A word's value is the decoder's state at the step where the word is the input,
    and the words of the store are those of the parallel side.

    A word without a subword, or one that a truncated sentence leaves out, has no activation: its row is NaN and
    ``Activations.missing`` marks it.

    To resume an interrupted run, call the function again with the same arguments; the finished store is byte
    for byte the same as one from an uninterrupted run. ``batch_size`` and ``engine`` may differ, but another
    batch size rounds differently.

    Args:
        model: a folder, a hub id, or a loaded model.
        corpus: the words and their label layers, all of which are stored: a corpus, or anything that
            :func:`~onegrain.read_corpus` takes (a path, lists of words, a data frame, a data set).
        out: the store to write: a folder or a URL that fsspec supports, usually named ``*.zarr``.
        sites: glob patterns of site names, or module paths; by default a transformer's residual stream,
            ``layers.*``, or all sites of an LSTM, of one side. ``*`` does not match a dot, ``**`` does. Heads,
            directions and latents are read only if a pattern names them.
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        dtype: ``float32``, or ``float16`` for half the size.
        side: ``source`` or ``target``; by default the side of the sites, which must then agree.
        long: treatment of a sentence that is too long for the model: ``error``, ``truncate`` or ``window``;
            see :class:`~onegrain.activations.extraction.options.EncodingOptions`.
        special_tokens: store the special tokens around each sentence as extra words without labels.
        bos: True to put the start token before each sentence if the tokenizer does not; by default True for
            a language model whose tokenizer has a start token, as when the model is scored.
        batch_size: largest number of rows in one forward pass; it affects the values only by rounding.
        engine: ``local``, ``ray``, or an engine object.
        force: replace a finished store, or start an unfinished one over.
        progress: reports the number of finished words.
        announce: called once before the extraction starts, with the number of neurons and words to read and the
            number of bytes to write; not called if the same extraction has already finished at ``out``.

    Returns:
        The finished store, opened: (words, neurons), with rows in the order of the words. If the same
        extraction has already finished at ``out``, its store is opened and nothing is computed.

    Raises:
        ModelError: no site has that name, or a value is not finite.
        CorpusError: the corpus has no words, or a sentence is longer than the model reads.
        ParameterError: an option is invalid, the sites are of both sides, or float16 cannot hold a value.
        OutputExistsError: the place holds something else and ``force`` is not set, or another writer uses it.
        MismatchError: the unfinished store was begun with other arguments.
        StorageError: the disk has too little space, is read-only or missing, or the URL cannot be reached.
        EngineError: the cluster does not exist, or its workers die or cannot load the model; the run can be
            resumed.
        MissingExtraError: the engine or the URL needs a package that is not installed.
    """
    words = as_corpus(corpus)
    require_dtype(dtype)
    options = EncodingOptions(aggregate, long, special_tokens, bos)  # type: ignore[arg-type]
    runner = engine_named(engine) if isinstance(engine, str) else engine
    folder = folder_at(out)
    require_writable(folder, force=force)
    reader = open_reader(model, words, sites=sites, side=side, options=options, batch_size=batch_size)
    start = (lambda: reader.read) if isinstance(runner, LocalEngine) else RemoteReader.of(reader)
    content = StoreContent(reader.encoded.words, reader.space, extract_provenance(reader, dtype), dtype)
    plan = ExtractionPlan.of(content)
    require_room(folder.place, plan)
    try:
        writer = StoreWriter(folder, content, force=force)
    except AlreadyDoneError:
        return open_activations(folder.place)
    if announce is not None:
        announce(plan)
    _fill(writer, reader, start, runner, progress)
    return open_activations(folder.place)


def _fill(
    writer: StoreWriter, reader: Reader, start: Callable[[], Work], engine: Engine, progress: Progress
) -> None:
    """Write the missing shards, each while the next words are read.

    If the input is at fault, so that running the command again could not succeed, the store is removed.
    """
    try:
        with progress("extract", writer.content.corpus.n_words, "words") as advance:
            advance(writer.rows_done)
            groups = _groups(writer)
            reader.encoded.scan()
            report = _NewProgress(advance, writer.rows_done - groups[0][0] if groups else 0)
            with (
                ThreadPoolExecutor(1, thread_name_prefix="onegrain-writer") as pool,
                closing(engine.stream(start, groups, report)) as blocks,
            ):
                writing: Future[None] | None = None
                for group, block in zip(groups, blocks, strict=True):
                    reader.encoded.check()
                    if writing is not None:
                        writing.result()
                    writing = pool.submit(_write, writer, group[0], block, reader)
                if writing is not None:
                    writing.result()
            writer.finish(reader.encoded.missing())
    except InputError:
        writer.discard()
        raise
    finally:
        reader.encoded.stop()
        writer.close()


def groups_of(n_words: int, n_neurons: int) -> list[tuple[int, int]]:
    """Return the words ``start:stop`` of each group that is read together; a group consists of full shards."""
    rows = Grid.of(n_words, n_neurons).rows
    step = rows * max(1, READ_BYTES // (4 * rows * n_neurons))
    return [(start, min(start + step, n_words)) for start in range(0, n_words, step)]


def _groups(writer: StoreWriter) -> list[tuple[int, int]]:
    """Return the groups from the first unfinished one on.

    A resumed run uses the same groups as the first run, so that the values are equal to the bit.
    """
    groups = groups_of(writer.content.corpus.n_words, writer.content.space.size)
    return [(start, stop) for start, stop in groups if stop > writer.rows_done]


def _write(writer: StoreWriter, first: int, block: Block, reader: Reader) -> None:
    """Write the missing shards of a group that starts at the word ``first``, then release its block."""
    done = writer.rows_done - first
    try:
        writer.write(block.values[done:], block.missing[done:])
    finally:
        reader.release(block)


class _NewProgress:
    """A progress callback that leaves out the words that an earlier run has already finished."""

    def __init__(self, advance: Callable[[int], None], skipped: int) -> None:
        self._advance = advance
        self._skipped = skipped

    def __call__(self, done: int) -> None:
        new = max(0, done - self._skipped)
        self._skipped -= done - new
        if new:
            self._advance(new)
