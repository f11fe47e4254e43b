"""Write a store shard by shard, so that an interrupted run can resume."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import local

import numpy as np
from jaxtyping import Bool, Float32

from onegrain.activations.store.claiming import require_claimable, require_writable
from onegrain.activations.store.content import DTYPES, StoreContent, encode_array, require_dtype
from onegrain.activations.store.journal import JOURNAL, Mark, Tally, encode_journal, read_journal
from onegrain.activations.store.layout import MANIFEST, is_store_file, shard_file
from onegrain.activations.store.manifest import digest_of, seal
from onegrain.activations.store.places.folder import LEASE, Folder, Release
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.shards import ShardEncoder
from onegrain.errors import MismatchError, ParameterError

__all__ = ["DTYPES", "StoreContent", "StoreWriter", "require_dtype", "require_writable", "write_store"]

THREADS = min(4, os.cpu_count() or 1)
"""Number of shards that are encoded and written in parallel."""


def write_store(
    out: str | os.PathLike[str],
    content: StoreContent,
    blocks: Iterable[Float32[np.ndarray, "words neurons"]],
    *,
    force: bool,
) -> None:
    """Write a complete store from blocks of rows; an unfinished store at that place is started over.

    Args:
        out: a folder or a URL.
        content: the content of the store.
        blocks: the rows in order, in blocks of any size.
        force: replace a finished store.

    Raises:
        ParameterError: the number of rows differs from the number of words, or a value is not finite or too
            large.
        AlreadyDoneError: a finished store of the same content exists, and ``force`` is not set.
        OutputExistsError: another finished store exists and ``force`` is not set, or the place holds something
            other than a store.
    """
    folder = folder_at(out)
    require_writable(folder, force=force)
    require_claimable(folder, content, force=force)
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
    """A store writer that holds the place exclusively and resumes an unfinished store of the same content.

    Args:
        folder: the place of the store.
        content: the content of the store.
        force: replace the store that exists, finished or not.

    Raises:
        MismatchError: the unfinished store was begun with other content.
        AlreadyDoneError: a finished store of the same content exists, and ``force`` is not set.
        OutputExistsError: another finished store exists and ``force`` is not set, the place holds something
            other than a store, or another writer uses it.
        StorageError: the disk is full, read-only or missing.
    """

    def __init__(self, folder: Folder, content: StoreContent, *, force: bool) -> None:
        self.folder = folder
        self.content = content
        self._identity = content.identity()
        self._digests: dict[str, str] = {}
        self._marks: list[Mark] = []
        self._thread_local = local()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="onegrain-shards")
        self._release: Release = folder.hold()
        try:
            require_claimable(folder, content, force=force)
            self._resume(force=force)
            for name, data in content.files():
                self._write_small(name, data)
        except BaseException:
            self.close()
            raise

    @property
    def done(self) -> int:
        """The number of finished shards."""
        return len(self._marks)

    @property
    def rows_done(self) -> int:
        """The number of words in the finished shards."""
        return min(self.done * self.content.grid.rows, self.content.corpus.n_words)

    def span(self, shard: int) -> tuple[int, int]:
        """Return ``(start, stop)``, the words of a shard."""
        rows = self.content.grid.rows
        return shard * rows, min((shard + 1) * rows, self.content.corpus.n_words)

    def write(
        self,
        block: Float32[np.ndarray, "words neurons"],
        missing: Bool[np.ndarray, " words"] | None = None,
    ) -> None:
        """Write the next shards in parallel and record them in the journal.

        Args:
            block: float32 (words, neurons), the rows of complete shards, from the first unfinished shard on.
            missing: bool (words,), True for words without an activation, whose rows are NaN.

        Raises:
            ParameterError: a value is not finite, or float16 cannot hold it.
            StorageError: the disk is full, read-only or missing; the shards before the first failed one remain.
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
        failed = [number for number, future in enumerate(writing) if future.exception()]
        written = failed[0] if failed else len(writing)
        if written:
            self._note([*self._marks, *(future.result() for future in writing[:written])])
        for future in writing:
            future.result()

    def _write_shard(self, shard: int, block: np.ndarray, missing: np.ndarray | None) -> Mark:
        if not hasattr(self._thread_local, "encoder"):
            self._thread_local.encoder = ShardEncoder(self.content.grid, self.content.dtype)
        stored = self._converted(block, missing, self.span(shard)[0])
        tally = Tally()
        self.folder.write(shard_file(shard), tally.passing(self._thread_local.encoder.encode(stored)))
        return tally.mark

    def finish(self, missing: np.ndarray | None = None) -> None:
        """Write the indices (int64) of the words without an activation and the manifest; remove the journal."""
        rows = np.empty(0, dtype=np.int64) if missing is None else missing
        for name, data in encode_array("missing", rows).items():
            self._write_small(name, data)
        manifest = {**self.content.manifest(), "missing": len(rows), "files": self._digests}
        self.folder.sync()
        self.folder.write(MANIFEST, seal(manifest))
        self.folder.sync()
        self.folder.remove(JOURNAL)
        self.folder.sync()

    def discard(self) -> None:
        """Remove the unfinished store."""
        self._remove_all_but(JOURNAL)
        self.folder.remove(JOURNAL)
        self._release(drop=True)

    def close(self) -> None:
        """Release the place; an unfinished store stays as it is, and the next run resumes from there."""
        self._threads.shutdown()
        self._release()

    def _resume(self, *, force: bool) -> None:
        """Keep the complete shards of an earlier run, and remove all other files of the store.

        The journal is written before any file is removed and stays until the store is finished, so that the
        next run can recognise the store at any point. Files that do not belong to a store are left alone.
        """
        journal = None if force else self.folder.read(JOURNAL)
        self._note(self._intact(journal) if journal is not None else [])
        self._remove_all_but(JOURNAL, *(shard_file(shard) for shard in range(self.done)))

    def _intact(self, journal: bytes) -> list[Mark]:
        """Return the marks of the shards before the first that is missing, cut short or changed."""
        begun, marks = read_journal(journal, f"{self.folder}/{JOURNAL}")
        wanted = json.loads(json.dumps(self._identity))
        differing = sorted(key for key in wanted.keys() | begun.keys() if wanted.get(key) != begun.get(key))
        if differing:
            differing = [key for key in differing if key != "grid"] or differing
            raise MismatchError(
                f"{self.folder} holds an unfinished extraction that was begun with other "
                f"{' and '.join(differing)}; repeat its command to resume it, or use --force (force=True) to "
                "start over"
            )
        kept = marks[: self.content.n_shards]
        for shard, mark in enumerate(kept):
            if not self.folder.holds(shard_file(shard), mark):
                return kept[:shard]
        return kept

    def _remove_all_but(self, *kept: str) -> None:
        """Remove the files of the store except those in ``kept``; leave files that are not a store's."""
        for name in self.folder.names():
            if is_store_file(name) and name not in (*kept, LEASE):
                self.folder.remove(name)

    def _write_small(self, name: str, data: bytes) -> None:
        """Write a file other than a shard, and keep its checksum for the manifest."""
        self.folder.write(name, data)
        self._digests[name] = digest_of(data)

    def _note(self, marks: list[Mark]) -> None:
        """Write the journal after syncing the shards it records."""
        self.folder.sync()
        self.folder.write(JOURNAL, encode_journal(self._identity, marks))
        self.folder.sync()
        self._marks = marks

    def _converted(self, block: np.ndarray, missing: np.ndarray | None, first: int) -> np.ndarray:
        """Return the block in the store's dtype, or raise ParameterError if that cannot hold a value."""
        present = block if missing is None or not missing.any() else block[~missing]
        with np.errstate(over="ignore", invalid="ignore"):
            finite = bool(np.isfinite(present.sum(dtype=np.float32)) or np.isfinite(present).all())
            stored = block.astype(self.content.dtype, copy=False)
            fits = self.content.dtype == "float32" or not np.isinf(stored).any()
        if not finite:
            self._refuse_not_finite(block, missing, first)
        if not fits:
            self._refuse_too_large(present)
        return stored

    def _refuse_not_finite(self, block: np.ndarray, missing: np.ndarray | None, first: int) -> None:
        bad = ~np.isfinite(block)
        if missing is not None:
            bad[missing] = False
        row, column = np.argwhere(bad)[0].tolist()
        raise ParameterError(
            f"the activation of {self.content.space.name(column)} at word {first + row} is not "
            "finite; a store holds only finite values"
        )

    def _refuse_too_large(self, block: np.ndarray) -> None:
        space, largest = self.content.space, np.abs(block).max(axis=0)
        column = int(largest.argmax())
        raise ParameterError(
            f"site {space.locate(column)[0]!r} reaches {float(largest[column]):.6g} (neuron "
            f"{space.name(column)}), more than {self.content.dtype} can hold "
            f"({float(np.finfo(self.content.dtype).max):g}); use dtype float32"
        )


def _write_blocks(writer: StoreWriter, blocks: Iterable[np.ndarray]) -> None:
    """Collect the rows of each shard, and write the shard when it is complete."""
    words, n_shards = writer.content.corpus.n_words, writer.content.n_shards
    start, stop = writer.span(0)
    shard, filled = np.empty((stop - start, writer.content.space.size), dtype=np.float32), 0
    for block in blocks:
        position = 0
        while position < len(block):
            if writer.done == n_shards:
                raise ParameterError(f"there are more rows than the {words} words")
            rows = block[position : position + stop - start - filled]
            shard[filled : filled + len(rows)] = rows
            position, filled = position + len(rows), filled + len(rows)
            if filled == stop - start:
                writer.write(shard[:filled])
                start, stop = writer.span(min(writer.done, n_shards - 1))
                filled = 0
    if writer.done < n_shards:
        raise ParameterError(f"there are {start + filled} rows for {words} words")
