"""Writing a store shard by shard, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from threading import local
from typing import Any

import numpy as np
import zarr
from jaxtyping import Bool, Float32
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from onegrain.activations.folder import LEASE, Folder, Release, folder_at
from onegrain.activations.shards import ShardEncoder
from onegrain.activations.store import FORMAT, JOURNAL, MANIFEST, SHARDS, Grid, digest_of, read_manifest, seal
from onegrain.core.corpus import Corpus
from onegrain.core.provenance import Provenance
from onegrain.core.space import NeuronSpace
from onegrain.errors import MismatchError, OutputExistsError, ParameterError, RecordError

__all__ = ["DTYPES", "Content", "StoreWriter", "require_dtype", "require_writable", "write_store"]

DTYPES = ("float32", "float16")
THREADS = min(4, os.cpu_count() or 1)
"""Shards that are encoded and written at once."""


@dataclass(frozen=True)
class Content:
    """What a store is to hold, besides the activations themselves.

    Attributes:
        corpus: the words that are the rows, with their label layers.
        space: the neurons that are the columns.
        provenance: what the activations are made from.
        dtype: ``float32`` or ``float16``.
    """

    corpus: Corpus
    space: NeuronSpace
    provenance: Provenance
    dtype: str

    @property
    def grid(self) -> Grid:
        """How the array is cut."""
        return Grid.of(self.corpus.n_words, self.space.size)

    @property
    def n_shards(self) -> int:
        """How many shards the array has."""
        return self.grid.n_shards(self.corpus.n_words)

    def manifest(self) -> dict[str, Any]:
        """What the manifest says of the content."""
        layers = sorted(self.corpus.layers.values(), key=lambda layer: layer.name)
        return {
            "record": "activations",
            "format": FORMAT,
            "source": self.corpus.source,
            "space": self.space.to_json(),
            "layers": [{"name": layer.name, "vocabulary": list(layer.vocabulary)} for layer in layers],
            "provenance": self.provenance.model_dump(mode="json"),
        }

    def identity(self) -> dict[str, Any]:
        """What a run that goes on must share with the run that began."""
        digest = hashlib.sha256()
        for name, layer in sorted(self.corpus.layers.items()):
            digest.update(json.dumps([name, layer.vocabulary]).encode())
            digest.update(np.ascontiguousarray(layer.codes, dtype="<i4").tobytes())
        return {
            **self.provenance.model_dump(mode="json"),
            "neurons": self.space.to_json(),
            "labels": digest.hexdigest(),
            "grid": asdict(self.grid),
            "format": FORMAT,
        }


def require_dtype(dtype: str) -> None:
    """Raise ParameterError unless a store can hold the dtype."""
    if dtype not in DTYPES:
        raise ParameterError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")


def require_writable(folder: Folder, *, force: bool) -> None:
    """Refuse an output that is finished, or that is no store of ours: neither may be written over unasked.

    Raises:
        OutputExistsError: a finished store without ``force``, or anything else that is there, even with it; or
            another writer is at work on it.
        StorageError: the place cannot be reached.
    """
    _require_ours(folder, force=force)
    folder.require_usable()


def write_store(
    out: str | os.PathLike[str],
    content: Content,
    blocks: Iterable[Float32[np.ndarray, "words neurons"]],
    *,
    force: bool,
) -> None:
    """Write a whole store from blocks of rows, of any sizes, in order; an unfinished one is begun anew.

    Raises:
        ParameterError: the rows are not as many as the corpus's words, or a value is not finite or too large.
        OutputExistsError: see :func:`require_writable`.
    """
    folder = folder_at(out)
    require_writable(folder, force=force)
    writer = StoreWriter(folder, content, force=True)
    try:
        _write_blocks(writer, blocks)
        writer.finish()
    except BaseException:
        writer.discard()
        raise
    finally:
        writer.close()


class StoreWriter:
    """Writes one store, as its only writer; opened on an unfinished one with the same content, it goes on.

    Args:
        folder: where.
        content: what the store is to hold.
        force: start over, whatever is there.

    Raises:
        MismatchError: the unfinished store that is there was begun with other content.
        OutputExistsError: see :func:`require_writable`.
        StorageError: the disk is full, read-only or gone.
    """

    def __init__(self, folder: Folder, content: Content, *, force: bool) -> None:
        self.folder = folder
        self.content = content
        self._identity = content.identity()
        self._digests: dict[str, str] = {}
        self._own = local()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="onegrain-shards")
        self._release: Release = folder.hold()
        try:
            _require_ours(folder, force=force)
            if force:
                self._clear()
            self.done = self._begin() if folder.read(JOURNAL) is None else self._resume()
            self._write_beside()
        except BaseException:
            self.close()
            raise

    @property
    def rows_done(self) -> int:
        """How many words are written."""
        return min(self.done * self.content.grid.rows, self.content.corpus.n_words)

    def span(self, shard: int) -> tuple[int, int]:
        """The words ``start:stop`` of a shard."""
        rows = self.content.grid.rows
        return shard * rows, min((shard + 1) * rows, self.content.corpus.n_words)

    def write(
        self,
        block: Float32[np.ndarray, "words neurons"],
        missing: Bool[np.ndarray, " words"] | None = None,
    ) -> None:
        """Write the next shards, whole and side by side, and note them in the journal.

        Args:
            block: one row a word of the shards, from the first that is not written.
            missing: the words without an activation; their rows are NaN.

        Raises:
            ParameterError: a value that is not finite, or that float16 cannot hold.
            StorageError: the disk is full, read-only or gone; the shards before the first that failed are kept.
        """
        first, _ = self.span(self.done)
        writing = []
        for shard in range(self.done, self.content.n_shards):
            start, stop = (edge - first for edge in self.span(shard))
            if start >= len(block):
                break
            without = None if missing is None else missing[start:stop]
            writing.append(self._threads.submit(self._write_shard, shard, block[start:stop], without))
        wait(writing)
        written = next((at for at, one in enumerate(writing) if one.exception()), len(writing))
        self._note(self.done + written)
        self.done += written
        for one in writing:
            one.result()

    def _write_shard(self, shard: int, block: np.ndarray, missing: np.ndarray | None) -> None:
        if not hasattr(self._own, "encoder"):
            self._own.encoder = ShardEncoder(self.content.grid, self.content.dtype)
        stored = self._converted(block, missing, self.span(shard)[0])
        self.folder.write(f"{SHARDS}{shard}/0", self._own.encoder.encode(stored))

    def finish(self, missing: np.ndarray | None = None) -> None:
        """Write which words (int64) have no activation, then the manifest, and drop the journal."""
        rows = np.empty(0, dtype=np.int64) if missing is None else missing
        self._put("missing", rows)
        manifest = {**self.content.manifest(), "missing": len(rows), "files": self._digests}
        self.folder.write(MANIFEST, seal(manifest))
        self.folder.remove(JOURNAL)

    def discard(self) -> None:
        """Remove the unfinished store."""
        self._clear()
        self._release(drop=True)

    def close(self) -> None:
        """Let other writers at the store; it is as far as it is."""
        self._threads.shutdown()
        self._release()

    def _clear(self) -> None:
        """Remove every file, what marks a store as one last, so that a removal cut off can be repeated."""
        there = self.folder.names()
        marks = [name for name in (MANIFEST, JOURNAL) if name in there]
        for name in [*(name for name in there if name not in (*marks, LEASE)), *marks]:
            self.folder.remove(name)

    def _begin(self) -> int:
        self._clear()
        self._note(0)
        return 0

    def _resume(self) -> int:
        """How many shards are there; everything else is swept away, to be written again."""
        try:
            journal = json.loads((self.folder.read(JOURNAL) or b"").decode("utf-8"))
            begun, noted = journal["content"], int(journal["shards"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"{self.folder}/{JOURNAL} is damaged; use --force (force=True) to start over"
            ) from error
        wanted = json.loads(json.dumps(self._identity))
        other = sorted(key for key in wanted.keys() | begun.keys() if wanted.get(key) != begun.get(key))
        if other:
            other = [key for key in other if key != "grid"] or other
            raise MismatchError(
                f"{self.folder} holds an unfinished extraction that was begun with other "
                f"{' and '.join(other)}; repeat its command to go on, or use --force (force=True) to start over"
            )
        there = set(self.folder.names())
        done = next((shard for shard in range(noted) if f"{SHARDS}{shard}/0" not in there), noted)
        kept = {JOURNAL, LEASE, *(f"{SHARDS}{shard}/0" for shard in range(done))}
        for name in sorted(there - kept):
            self.folder.remove(name)
        return done

    def _write_beside(self) -> None:
        """The words, sentence boundaries and labels, and what the array is."""
        corpus = self.content.corpus
        self._put_text("words", "word_ends", corpus.words)
        if corpus.running is not None:
            self._put_text("forms", "form_ends", corpus.running.texts)
            self._put("spaces", corpus.running.spaces.astype(np.uint8))
        self._put("sentences", np.asarray(corpus.offsets, dtype=np.int64))
        group = _json({"zarr_format": 3, "node_type": "group", "attributes": {}})
        self._write_files({"labels/zarr.json": group, **self._array()})
        for number, name in enumerate(sorted(corpus.layers)):
            self._put(f"labels/{number}", corpus.layers[name].codes.astype(np.int32))

    def _put_text(self, name: str, ends: str, words: Sequence[str]) -> None:
        """Write strings as the bytes of all of them, and where each ends."""
        encoded = [word.encode("utf-8", "surrogatepass") for word in words]
        self._put(name, np.frombuffer(b"".join(encoded), dtype=np.uint8))
        self._put(ends, np.cumsum([len(word) for word in encoded], dtype=np.int64))

    def _put(self, name: str, values: np.ndarray) -> None:
        """Write a small array."""
        made: dict[str, Buffer] = {}
        array = zarr.create_array(
            MemoryStore(made),
            shape=values.shape,
            chunks=(max(1, len(values)),),
            dtype=values.dtype,
            compressors=[ZstdCodec(level=3, checksum=False), Crc32cCodec()],
            fill_value=int(np.iinfo(values.dtype).min),
        )
        array[:] = values
        self._write_files({f"{name}/{key}": data.to_bytes() for key, data in sorted(made.items())})

    def _array(self) -> dict[str, bytes]:
        """What says how the activations are stored.

        NaN fills what is not written, so that a shard that is lost cannot pass for zeros.
        """
        grid = self.content.grid
        made: dict[str, Buffer] = {}
        zarr.create_array(
            MemoryStore(made),
            shape=(self.content.corpus.n_words, self.content.space.size),
            shards=(grid.rows, grid.columns),
            chunks=(grid.chunk_rows, grid.chunk_columns),
            dtype=self.content.dtype,
            filters=None,
            compressors=[Crc32cCodec()],
            fill_value=float("nan"),
        )
        return {f"activations/{key}": data.to_bytes() for key, data in sorted(made.items())}

    def _write_files(self, files: Mapping[str, bytes]) -> None:
        """Write files beside the shards, and note their checksums for the manifest."""
        for name, data in files.items():
            self.folder.write(name, data)
            self._digests[name] = digest_of(data)

    def _converted(self, block: np.ndarray, missing: np.ndarray | None, first: int) -> np.ndarray:
        there = block if missing is None or not missing.any() else block[~missing]
        with np.errstate(over="ignore", invalid="ignore"):
            finite = bool(np.isfinite(there.sum(dtype=np.float32)) or np.isfinite(there).all())
            stored = block.astype(self.content.dtype, copy=False)
            fits = self.content.dtype == "float32" or not np.isinf(stored).any()
        if not finite:
            self._refuse_not_finite(block, missing, first)
        if not fits:
            self._refuse_too_large(there)
        return stored

    def _refuse_not_finite(self, block: np.ndarray, missing: np.ndarray | None, first: int) -> None:
        bad = ~np.isfinite(block)
        if missing is not None:
            bad[missing] = False
        row, column = np.argwhere(bad)[0].tolist()
        raise ParameterError(
            f"the activation of {self.content.space.name(column)} at word {first + row} is not "
            "finite; a store holds finite values only"
        )

    def _refuse_too_large(self, block: np.ndarray) -> None:
        space, largest = self.content.space, np.abs(block).max(axis=0)
        column = int(largest.argmax())
        raise ParameterError(
            f"site {space.locate(column)[0]!r} reaches {float(largest[column]):.6g} (neuron "
            f"{space.name(column)}), more than {self.content.dtype} holds "
            f"({float(np.finfo(self.content.dtype).max):g}); use dtype float32"
        )

    def _note(self, shards: int) -> None:
        self.folder.write(JOURNAL, _json({"content": self._identity, "shards": shards}))


def _write_blocks(writer: StoreWriter, blocks: Iterable[np.ndarray]) -> None:
    """Gather the rows of each shard, and write it when they are all there."""
    words, n_shards = writer.content.corpus.n_words, writer.content.n_shards
    start, stop = writer.span(0)
    shard, filled = np.empty((stop - start, writer.content.space.size), dtype=np.float32), 0
    for block in blocks:
        at = 0
        while at < len(block):
            if writer.done == n_shards:
                raise ParameterError(f"there are more rows than the {words} words")
            taken = block[at : at + stop - start - filled]
            shard[filled : filled + len(taken)] = taken
            at, filled = at + len(taken), filled + len(taken)
            if filled == stop - start:
                writer.write(shard[:filled])
                start, stop = writer.span(min(writer.done, n_shards - 1))
                filled = 0
    if writer.done < n_shards:
        raise ParameterError(f"there are {start + filled} rows for {words} words")


def _require_ours(folder: Folder, *, force: bool) -> None:
    there = [name for name in folder.names() if name != LEASE and not _partial(name)]
    if JOURNAL in there or not there:
        return
    if MANIFEST not in there or not _is_store(folder, force=force):
        raise OutputExistsError(f"{folder} is a folder that onegrain did not write; choose another output")
    if not force:
        raise OutputExistsError(f"{folder} exists already; use --force (force=True) to replace it")


def _is_store(folder: Folder, *, force: bool) -> bool:
    """Whether there is a store; one that is damaged, or of another format, may be replaced by force only."""
    try:
        return read_manifest(folder) is not None
    except RecordError:
        if force:
            return True
        raise


def _partial(name: str) -> bool:
    """Whether a file is what a run cut off in its first moment may leave."""
    return "/" not in name and ".partial-" in name


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
