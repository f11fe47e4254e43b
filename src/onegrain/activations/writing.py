"""Writing a store shard by shard, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float32
from zarr.codecs import Crc32cCodec, ZstdCodec

from onegrain.activations.store import FORMAT, JOURNAL, MANIFEST, Grid, read_manifest
from onegrain.core.corpus import Corpus
from onegrain.core.output import claim_output, storage_errors, whole_file
from onegrain.core.provenance import Provenance
from onegrain.core.space import NeuronSpace
from onegrain.errors import MismatchError, OutputExistsError, ParameterError, RecordError

__all__ = ["Content", "StoreWriter", "require_writable"]


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
        """The attributes of the finished group."""
        layers = sorted(self.corpus.layers.values(), key=lambda layer: layer.name)
        return {
            "record": "activations",
            "format": FORMAT,
            "complete": True,
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


def require_writable(store: Path, *, force: bool) -> None:
    """Refuse an output that is finished, or that is no store of ours: neither may be written over unasked.

    Raises:
        OutputExistsError: a finished store without ``force``, or anything else that is there, even with it; or
            another writer is at work on it.
    """
    if not store.is_dir():
        if store.exists() or store.is_symlink():
            raise OutputExistsError(f"{store} is a file; a store is a folder, choose another output")
        return
    with _held(store):
        pass
    if (store / JOURNAL).is_file() or not any(_begun(store)):
        return
    if read_manifest(store) is None:
        raise OutputExistsError(f"{store} is a folder that onegrain did not write; choose another output")
    if not force:
        raise OutputExistsError(f"{store} exists already; use --force (force=True) to replace it")


class StoreWriter:
    """Writes one store, as its only writer; opened on an unfinished one with the same content, it goes on.

    Args:
        store: the folder.
        content: what the store is to hold.
        force: start over, whatever is there.

    Raises:
        MismatchError: the unfinished store that is there was begun with other content.
        OutputExistsError: see :func:`require_writable`.
        StorageError: the disk is full, read-only or gone.
    """

    def __init__(self, store: Path, content: Content, *, force: bool) -> None:
        require_writable(store, force=force)
        self.store = store
        self.content = content
        self._identity = content.identity()
        with storage_errors(store):
            if force and store.is_dir():
                with _held(store):
                    _remove(store)
            store.mkdir(parents=True, exist_ok=True)
            self._release = weakref.finalize(self, os.close, _hold(store))
            try:
                self.done = self._resume() if (store / JOURNAL).is_file() else self._begin()
                self._write_beside()
                self._array = self._create_array()
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

    def write(self, block: Float32[np.ndarray, "words neurons"]) -> None:
        """Write the next shard, whole, and note it in the journal.

        Raises:
            ParameterError: a value that is not finite, or that float16 cannot hold.
            StorageError: the disk is full, read-only or gone.
        """
        start, stop = self.span(self.done)
        stored = self._converted(block)
        with storage_errors(self.store):
            self._array[start:stop] = stored
            self._note(self.done + 1)
        self.done += 1

    def finish(self) -> None:
        """Write the manifest, which makes the store complete, and drop the journal."""
        with storage_errors(self.store):
            _write_json(self.store / MANIFEST, _group(self.content.manifest()))
            (self.store / JOURNAL).unlink()

    def discard(self) -> None:
        """Remove the unfinished store."""
        _remove(self.store)

    def close(self) -> None:
        """Let other writers at the store; it is as far as it is."""
        self._release()

    def _begin(self) -> int:
        for stray in self.store.iterdir():
            stray.unlink()
        self._note(0)
        return 0

    def _resume(self) -> int:
        """How many shards are there; everything else is swept away, to be written again."""
        try:
            journal = json.loads((self.store / JOURNAL).read_text("utf-8"))
            begun, noted = journal["content"], int(journal["shards"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"{self.store / JOURNAL} is damaged; use --force (force=True) to start over"
            ) from error
        wanted = json.loads(json.dumps(self._identity))
        other = sorted(key for key in wanted.keys() | begun.keys() if wanted.get(key) != begun.get(key))
        if other:
            other = [key for key in other if key != "grid"] or other
            raise MismatchError(
                f"{self.store} holds an unfinished extraction that was begun with other {' and '.join(other)}; "
                "repeat its command to go on, or use --force (force=True) to start over"
            )
        shards = self.store / "activations" / "c"
        done = next((shard for shard in range(noted) if not (shards / f"{shard}/0").is_file()), noted)
        kept = {self.store / JOURNAL, *(shards / f"{shard}/0" for shard in range(done))}
        for path in sorted(self.store.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in kept:
                path.unlink()
        return done

    def _write_beside(self) -> None:
        """The words, sentence boundaries and labels."""
        corpus = self.content.corpus
        encoded = [word.encode("utf-8", "surrogatepass") for word in corpus.words]
        ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
        _write_json(self.store / MANIFEST, _group({}))
        self._put("words", np.frombuffer(b"".join(encoded), dtype=np.uint8))
        self._put("word_ends", ends)
        self._put("sentences", np.asarray(corpus.offsets, dtype=np.int64))
        _write_json(self.store / "labels" / MANIFEST, _group({}))
        for number, name in enumerate(sorted(corpus.layers)):
            self._put(f"labels/{number}", corpus.layers[name].codes.astype(np.int32))

    def _put(self, name: str, values: np.ndarray) -> None:
        array = zarr.create_array(
            self.store / name,
            shape=values.shape,
            chunks=(max(1, len(values)),),
            dtype=values.dtype,
            compressors=[ZstdCodec(level=3, checksum=False), Crc32cCodec()],
            fill_value=int(np.iinfo(values.dtype).min),
        )
        array[:] = values

    def _create_array(self) -> Any:
        """NaN fills what is not written, so that a shard that is lost cannot pass for zeros."""
        grid = self.content.grid
        return zarr.create_array(
            self.store / "activations",
            shape=(self.content.corpus.n_words, self.content.space.size),
            shards=(grid.rows, grid.columns),
            chunks=(grid.chunk_rows, grid.chunk_columns),
            dtype=self.content.dtype,
            filters=None,
            compressors=[Crc32cCodec()],
            fill_value=float("nan"),
        )

    def _converted(self, block: np.ndarray) -> np.ndarray:
        largest_held = float(np.finfo(self.content.dtype).max)
        space = self.content.space
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            raise ParameterError(
                f"the activation of {space.name(int(bad[0, 1]))} at word {self.rows_done + int(bad[0, 0])} is "
                "not finite; a store holds finite values only"
            )
        with np.errstate(over="ignore"):
            stored = block.astype(self.content.dtype)
        if np.isinf(stored).any():
            column = int(np.abs(block).max(axis=0).argmax())
            raise ParameterError(
                f"site {space.locate(column)[0]!r} reaches {float(np.abs(block).max()):.6g} (neuron "
                f"{space.name(column)}), more than {self.content.dtype} holds ({largest_held:g}); "
                "use dtype float32"
            )
        return stored

    def _note(self, shards: int) -> None:
        _write_json(self.store / JOURNAL, {"content": self._identity, "shards": shards})


def _hold(store: Path) -> int:
    """A descriptor of the folder, locked until it is closed or the process ends, whichever way.

    On a file system without locks it is not locked.
    """
    descriptor = os.open(store, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OutputExistsError(
            f"another writer is at work on {store}; wait until it is done, or choose another output"
        ) from None
    except OSError:
        pass
    return descriptor


@contextmanager
def _held(store: Path) -> Iterator[None]:
    """While nobody else writes the store; OutputExistsError where somebody does."""
    descriptor = _hold(store)
    try:
        yield
    finally:
        os.close(descriptor)


def _group(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    with whole_file(path, force=True) as partial:
        partial.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _begun(store: Path) -> list[Path]:
    """What lies in a folder, but for what a run cut off in its first moment may leave."""
    return [path for path in store.iterdir() if not (path.is_file() and ".partial-" in path.name)]


def _remove(store: Path) -> None:
    """Remove a store, what marks it as one last, so that a removal cut off can be repeated."""
    for path in sorted(store.iterdir()):
        if path.name not in (MANIFEST, JOURNAL):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    claim_output(store, force=True)
