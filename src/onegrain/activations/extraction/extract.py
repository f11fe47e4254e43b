"""From a model and a corpus to a store of activations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

from onegrain.activations.extraction.encoding import Wording
from onegrain.activations.extraction.planning import Announce, ExtractionPlan, require_room
from onegrain.activations.extraction.reader import Block, Reader
from onegrain.activations.extraction.remote_reader import RemoteReader, extract_provenance, open_reader
from onegrain.activations.store.open import Grid, open_activations
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import Content, StoreWriter, require_dtype, require_writable
from onegrain.core.progress import Progress, automatic
from onegrain.corpora import as_corpus
from onegrain.engines import Engine, LocalEngine, Work, engine_named
from onegrain.errors import InputError
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import Side
from onegrain.records.activations import Activations

__all__ = ["extract", "groups_of"]

READ_BYTES = 256 * 2**20
"""Values (float32) that are read together: sentences of like length among them share a forward pass."""


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
    """Read every word of a corpus with a model and store what its neurons did.

    Encoders and language models read the corpus. A decoder (sites of side ``target``) reads the corpus's
    parallel side under teacher forcing: the start token and then the reference translation, while the encoder
    reads the source; a word's value is the decoder's state where the word is its input, and the store's words
    are those of the parallel side.

    A word to which the tokenizer gives no subword, or that a long sentence leaves out, has no activation: its
    row is NaN, and ``Activations.missing`` and the store say so.

    A run that was cut off, whatever by, goes on when it is started again with the same arguments, and its store
    has the bytes of one that ran through. Another ``batch_size`` or ``engine`` may be given then; another batch
    size rounds differently.

    Args:
        model: a folder, a hub id, or a loaded model.
        corpus: the words, with the label layers that the store is to carry: a corpus, or what
            :func:`~onegrain.read_corpus` takes (a path, lists of words, a data frame, a data set).
        out: the store, a folder or a URL that fsspec reaches, by custom named ``*.zarr``.
        sites: glob patterns of site names, or module paths; by default a transformer's residual stream,
            ``layers.*``, or all sites of an LSTM, of one side. A ``*`` stays between two dots and ``**``
            crosses them; heads, directions and latents are read if a pattern names them.
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        dtype: ``float32``, or ``float16`` for half the space.
        side: ``source`` or ``target``; by default that of the sites, which must then agree.
        long: what is done with a sentence longer than the model reads: ``error``, ``truncate`` or ``window``;
            see :class:`~onegrain.activations.extraction.encoding.Wording`.
        special_tokens: give the special tokens around each sentence rows of their own, as words without labels.
        bos: whether the start token is put before each sentence where the tokenizer does not; by default it is
            for a language model whose tokenizer has one, as when the model is scored.
        batch_size: rows in one forward pass at most; the values do not depend on it, but for rounding.
        engine: ``local``, ``ray``, or an engine with options of its own.
        force: replace a finished store, or start an unfinished one over.
        progress: told how many words are done.
        announce: called with how many neurons and words will be read and how many bytes written, before the
            first is.

    Returns:
        The finished store, opened: float array (words, neurons), rows in the order of the corpus's words.

    Raises:
        ModelError: no such site, or a value that is not finite.
        CorpusError: no words, or a sentence longer than the model reads.
        ParameterError: an impossible option, sites of both sides, or a value that float16 cannot hold.
        OutputExistsError: the store is finished already and ``force`` is not set, or another writer is at it.
        MismatchError: the unfinished store that is there was begun with other arguments.
        StorageError: the disk has too little room, is read-only or gone, or the URL cannot be reached.
        EngineError: no such cluster, or its workers cannot load the model or die; the store can go on.
        MissingExtraError: the engine or the URL needs a package that is not installed.
    """
    words = as_corpus(corpus)
    require_dtype(dtype)
    wording = Wording(aggregate, long, special_tokens, bos)  # type: ignore[arg-type]
    runner = engine_named(engine) if isinstance(engine, str) else engine
    folder = folder_at(out)
    require_writable(folder, force=force)
    reader = open_reader(model, words, sites=sites, side=side, wording=wording, batch_size=batch_size)
    start = (lambda: reader.read) if isinstance(runner, LocalEngine) else RemoteReader.of(reader)
    content = Content(reader.rows.words, reader.space, extract_provenance(reader, dtype), dtype)
    plan = ExtractionPlan.of(content)
    require_room(folder.place, plan)
    writer = StoreWriter(folder, content, force=force)
    if announce is not None:
        announce(plan)
    _fill(writer, reader, start, runner, progress)
    return open_activations(folder.place)


def _fill(
    writer: StoreWriter, reader: Reader, start: Callable[[], Work], engine: Engine, progress: Progress
) -> None:
    """Write what is missing; what no repetition of the command could finish is not left behind.

    Shards are written while the next words are read.
    """
    try:
        with progress("extract", writer.content.corpus.n_words, "words") as advance:
            advance(writer.rows_done)
            groups = _groups(writer)
            reader.rows.scan()
            told = _Beyond(advance, writer.rows_done - groups[0][0] if groups else 0)
            with (
                ThreadPoolExecutor(1, thread_name_prefix="onegrain-writer") as pool,
                closing(engine.stream(start, groups, told)) as blocks,
            ):
                writing: Future[None] | None = None
                for group, block in zip(groups, blocks, strict=True):
                    reader.rows.check()
                    if writing is not None:
                        writing.result()
                    writing = pool.submit(_write, writer, group[0], block, reader)
                if writing is not None:
                    writing.result()
            writer.finish(reader.rows.missing())
    except InputError:
        writer.discard()
        raise
    finally:
        reader.rows.stop()
        writer.close()


def groups_of(n_words: int, n_neurons: int) -> list[tuple[int, int]]:
    """The words ``start:stop`` that are read together: whole shards of the store, whoever reads them."""
    rows = Grid.of(n_words, n_neurons).rows
    step = rows * max(1, READ_BYTES // (4 * rows * n_neurons))
    return [(start, min(start + step, n_words)) for start in range(0, n_words, step)]


def _groups(writer: StoreWriter) -> list[tuple[int, int]]:
    """The groups from the first that is not written.

    They begin at the same words however far an earlier run came, so that its values are these to the bit.
    """
    groups = groups_of(writer.content.corpus.n_words, writer.content.space.size)
    return [(start, stop) for start, stop in groups if stop > writer.rows_done]


def _write(writer: StoreWriter, first: int, block: Block, reader: Reader) -> None:
    """Write the shards of a group, whose first word is ``first``, that are not there yet, and let it go."""
    there = writer.rows_done - first
    try:
        writer.write(block.values[there:], block.missing[there:])
    finally:
        reader.release(block)


class _Beyond:
    """Tells of the words that are done, but for the first, which were told of before."""

    def __init__(self, advance: Callable[[int], None], skipped: int) -> None:
        self._advance = advance
        self._skipped = skipped

    def __call__(self, done: int) -> None:
        beyond = max(0, done - self._skipped)
        self._skipped -= done - beyond
        if beyond:
            self._advance(beyond)
