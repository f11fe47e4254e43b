"""From a model and a corpus to a store of activations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from onegrain.activations.folder import folder_at
from onegrain.activations.reading import Block, Reader
from onegrain.activations.rows import Rows, Wording
from onegrain.activations.store import open_activations
from onegrain.activations.writing import Content, StoreWriter, require_dtype, require_writable
from onegrain.core.activations import Activations
from onegrain.core.corpus import Corpus
from onegrain.core.progress import Progress, silent
from onegrain.core.provenance import CorpusIdentity, Provenance
from onegrain.core.space import some_of
from onegrain.engines import Engine, LocalEngine, Work, engine_named
from onegrain.errors import EngineError, InputError, OnegrainError, ParameterError
from onegrain.models.loaded import LoadedModel
from onegrain.models.loading import load_model
from onegrain.models.origin import Origin
from onegrain.models.sites import Side, SitePoint

__all__ = ["extract"]

READ_BYTES = 256 * 2**20
"""Values (float32) that are read together: sentences of like length among them share a forward pass."""


def extract(
    model: str | os.PathLike[str] | LoadedModel,
    corpus: Corpus,
    out: str | os.PathLike[str],
    *,
    sites: str | Iterable[str] | None = None,
    aggregate: str = "last",
    dtype: str = "float32",
    side: Side | None = None,
    long: str = "error",
    special_tokens: bool = False,
    bos: bool = False,
    batch_size: int = 64,
    engine: str | Engine = "local",
    force: bool = False,
    progress: Progress = silent,
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
        corpus: the words, with the label layers that the store is to carry.
        out: the store, a folder or a URL that fsspec reaches, by custom named ``*.zarr``.
        sites: glob patterns of site names, or module paths; by default every named site of ``side`` that is not
            a part of another.
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        dtype: ``float32``, or ``float16`` for half the space.
        side: ``source`` or ``target``; by default that of the sites, which must then agree.
        long: what is done with a sentence longer than the model reads: ``error``, ``truncate`` or ``window``;
            see :class:`~onegrain.activations.rows.Wording`.
        special_tokens: give the special tokens around each sentence rows of their own, as words without labels.
        bos: put the start token before each sentence where the tokenizer does not.
        batch_size: rows in one forward pass at most; the values do not depend on it, but for rounding.
        engine: ``local``, ``ray``, or an engine with options of its own.
        force: replace a finished store, or start an unfinished one over.
        progress: told how many words are done.

    Returns:
        The finished store, opened: float array (words, neurons), rows in the order of the corpus's words.

    Raises:
        ModelError: no such site, or a value that is not finite.
        CorpusError: no words, or a sentence longer than the model reads.
        ParameterError: an impossible option, sites of both sides, or a value that float16 cannot hold.
        OutputExistsError: the store is finished already and ``force`` is not set, or another writer is at it.
        MismatchError: the unfinished store that is there was begun with other arguments.
        StorageError: the disk is full, read-only or gone, or the URL cannot be reached.
        EngineError: no such cluster, or its workers cannot load the model or die; the store can go on.
        MissingExtraError: the engine or the URL needs a package that is not installed.
    """
    require_dtype(dtype)
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}")
    wording = Wording(aggregate, long, special_tokens, bos)  # type: ignore[arg-type]
    runner = engine_named(engine) if isinstance(engine, str) else engine
    folder = folder_at(out)
    require_writable(folder, force=force)
    loaded = load_model(model)
    points = _points(loaded, sites, side)
    space = loaded.space([point.name for point in points])
    rows = Rows(loaded, corpus, points[0].side, wording)
    parameters: dict[str, Any] = {
        **asdict(wording),
        "dtype": dtype,
    }
    if dictionaries := {point.name: point.dictionary.identity for point in points if point.dictionary}:
        parameters["dictionaries"] = dictionaries
    if rows.words is not corpus:
        parameters |= {"read_from": CorpusIdentity.of(corpus).model_dump()}
    provenance = Provenance(
        stage="extract",
        model=loaded.identity,
        corpus=CorpusIdentity.of(rows.words),
        sites=space.sites,
        parameters=parameters,
    )
    reader = Reader(loaded, points, space, rows, batch_size)
    start = _start(runner, reader, corpus)
    writer = StoreWriter(folder, Content(rows.words, space, provenance, dtype), force=force)
    _fill(writer, reader, start, runner, progress)
    return open_activations(folder.place)


@dataclass(frozen=True)
class RemoteReader:
    """What a process elsewhere needs to read as the reader here does; called there, it gives the work.

    Attributes:
        origin: how the model is loaded.
        weight_hash: what its weights must be.
        corpus: the words, and the parallel side where a decoder reads it.
        sites: names of the sites.
        wording: how words are read.
        batch_size: rows in one forward pass.
        threads: of a forward pass; sums round by it.
    """

    origin: Origin
    weight_hash: str
    corpus: Corpus
    sites: tuple[str, ...]
    wording: Wording
    batch_size: int
    threads: int

    def __call__(self) -> Work:
        """Load the model and read with it."""
        torch.set_num_threads(self.threads)
        try:
            loaded = self.origin.load()
        except OnegrainError as error:
            raise EngineError(
                f"a worker cannot load the model: {error}; put it where every worker finds it by the same "
                "path, or use the local engine"
            ) from error
        if loaded.identity.weight_hash != self.weight_hash:
            raise EngineError(
                f"the weights that a worker finds at {self.origin.path} are not those of the model that was "
                "given; save the model, put it where every worker finds it by the same path, and give that"
            )
        points = loaded.select(list(self.sites))
        space = loaded.space(list(self.sites))
        rows = Rows(loaded, self.corpus, points[0].side, self.wording)
        reader = Reader(loaded, points, space, rows, self.batch_size)
        read: list[Block] = []

        def work(words: tuple[int, int], advance: Callable[[int], None]) -> Block:
            while read:  # what was read before is sent by now
                reader.release(read.pop())
            read.append(reader.read(words, advance))
            return read[0]

        return work


def _start(engine: Engine, reader: Reader, corpus: Corpus) -> Callable[[], Work]:
    if isinstance(engine, LocalEngine):
        return lambda: reader.read
    loaded = reader.loaded
    # a worker that has one GPU sees no other, whichever number it has
    indexed = (loaded.origin.device or "").startswith("cuda:")
    return RemoteReader(
        replace(loaded.origin, device="cuda") if indexed else loaded.origin,
        loaded.identity.weight_hash,
        corpus,
        reader.space.sites,
        reader.rows.wording,
        reader.batch_size,
        torch.get_num_threads(),
    )


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


def _groups(writer: StoreWriter) -> list[tuple[int, int]]:
    """The words ``start:stop`` that are read together, from the first that is not written: whole shards.

    They begin at the same words however far an earlier run came, so that its values are these to the bit.
    """
    content = writer.content
    shards = max(1, READ_BYTES // (4 * content.grid.rows * content.space.size))
    first = writer.done // shards if writer.done < content.n_shards else content.n_shards
    return [
        (writer.span(at)[0], writer.span(min(at + shards, content.n_shards) - 1)[1])
        for at in range(first * shards, content.n_shards, shards)
    ]


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


def _points(loaded: LoadedModel, sites: str | Iterable[str] | None, side: Side | None) -> list[SitePoint]:
    """The sites to read, all of one side."""
    if side not in (None, "source", "target"):
        raise ParameterError(f"side must be source or target, got {side!r}")
    chosen = loaded.select(sites, side=side)
    if not chosen:
        raise ParameterError(
            f"{loaded.identity.id} has no such site that reads the {side} words; the sites are: "
            + some_of([f"{point.name} ({point.side})" for point in loaded.points.values()])
        )
    if len({point.side for point in chosen}) > 1:
        of = {side: some_of([p.name for p in chosen if p.side == side]) for side in ("source", "target")}
        raise ParameterError(
            f"the sites {of['source']} read the source words, but {of['target']} the target words; one store "
            "holds one side: extract two stores, with side='source' and side='target'"
        )
    return chosen
