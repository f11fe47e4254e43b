"""The finished measurements of a sweep in a file, so that a sweep that was cut off resumes.

The file holds one JSON object per line. The first names the kind of the file; each of the others holds one
measurement under a key: the hash of everything that the measurement depends on. A line that was cut off or
damaged does not have the checksum that it names, and is measured again. Measurements of other sweeps have other
keys, and are not used.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from onegrain.core.storage import storage_errors
from onegrain.errors import OutputExistsError, RecordError
from onegrain.metrics import Measurement

__all__ = ["Checkpoint", "Measured", "checkpoint_beside"]

FIRST_LINE = b'{"record": "sweep checkpoint", "format": 1}\n'


@dataclass(frozen=True, eq=False)
class Measured:
    """The part of a measurement that a sweep keeps; see :class:`onegrain.metrics.Measurement`."""

    value: float
    low: float
    high: float
    signature: str
    n_sentences: int
    draws: np.ndarray

    @classmethod
    def of(cls, measurement: Measurement) -> Measured:
        """Return what a sweep keeps of a measurement."""
        return cls(
            measurement.value,
            measurement.low,
            measurement.high,
            measurement.signature,
            measurement.n_sentences,
            np.asarray(measurement.draws, dtype=np.float64),
        )

    @classmethod
    def of_statistics(cls, statistics: np.ndarray, columns: tuple[str, ...]) -> Measured:
        """Return a part of a measurement: the statistics of some sentences, (sentences, n), as draws."""
        nan = float("nan")
        return cls(nan, nan, nan, " ".join(columns), len(statistics), statistics.astype(np.float64).ravel())

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the draws as base64 of little-endian float64."""
        draws = base64.b64encode(self.draws.astype("<f8").tobytes()).decode()
        return {**asdict(replace(self, draws=np.empty(0))), "draws": draws}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Measured:
        """Return what :meth:`to_json` wrote."""
        draws = np.frombuffer(base64.b64decode(value["draws"], validate=True), dtype="<f8")
        return cls(**{**value, "draws": draws.astype(np.float64)})


def checkpoint_beside(out: str | os.PathLike[str]) -> Path:
    """Return the path of the checkpoint of an output: a hidden file beside it.

    >>> checkpoint_beside("runs/sweep.parquet").name
    '.sweep.parquet.checkpoint'
    """
    path = Path(out)
    return path.with_name(f".{path.name}.checkpoint")


class Checkpoint:
    """A file of finished measurements, locked while a sweep writes to it. Use it as a context manager.

    Args:
        path: the file; it is made if it does not exist. None to keep measurements in memory only.

    Raises:
        RecordError: the file is not a checkpoint of a sweep.
        OutputExistsError: another process is writing to the file.
        StorageError: the disk refuses the file.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path)
        self._measured: dict[str, Measured] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Checkpoint:
        if self.path is not None:
            with storage_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a+b")
                try:
                    self._lock_and_read(self._file)
                except BaseException:
                    self._file.close()
                    raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __len__(self) -> int:
        return len(self._measured)

    def get(self, key: str) -> Measured | None:
        """Return the measurement with a key, or None."""
        return self._measured.get(key)

    def add(self, key: str, measured: Measured) -> None:
        """Keep a measurement; when the function returns, it is in the file, even if the process is killed."""
        self._measured[key] = measured
        if self._file is None or self.path is None:
            return
        content = json.dumps({"key": key, **measured.to_json()})
        line = json.dumps({"content": content, "sha256": _digest(content)})
        with storage_errors(self.path):
            self._file.write(line.encode() + b"\n")
            self._file.flush()

    def _lock_and_read(self, file: IO[bytes]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputExistsError(
                f"another process is writing to {self.path}, the checkpoint of this sweep; wait until it has "
                "finished, or choose another output"
            ) from None
        except OSError:  # a file system without locks
            pass
        file.seek(0)
        data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        begun = FIRST_LINE.startswith(data) if not complete else complete.startswith(FIRST_LINE)
        if not begun:
            raise RecordError(
                f"{self.path} is not a checkpoint of a sweep, or of another version of onegrain; remove it, or "
                "choose another output"
            )
        for line in complete[len(FIRST_LINE) :].splitlines():
            self._read(line)
        file.truncate(len(complete))  # the rest of a line that was cut off
        if not complete:
            file.write(FIRST_LINE)
            file.flush()

    def _read(self, line: bytes) -> None:
        """Keep the measurement of a line; a damaged line is left out, so that it is measured again."""
        try:
            outer = json.loads(line)
            content = outer["content"]
            if outer["sha256"] != _digest(content):
                return
            inner = json.loads(content)
            key = inner.pop("key")
            self._measured[key] = Measured.from_json(inner)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
