"""Every error that onegrain raises on purpose.

::

    OnegrainError
    ├── InputError              an input cannot be used
    │   ├── CorpusError         a corpus file is malformed; the message names file and line
    │   ├── LabelError          a label layer or label does not exist; the message names those that do
    │   ├── ModelError          a model cannot be loaded, or does not have a site
    │   ├── RecordError         a file is not the expected record, or is incomplete or damaged
    │   ├── MismatchError       two records do not belong together
    │   ├── ParameterError      an option or argument has an impossible value
    │   └── OutputExistsError   the output already exists, and no option asks to replace it
    │       └── AlreadyDoneError    the same run made the output, so nothing is left to do
    ├── StorageError            a disk or a storage service failed: full, read-only, not reachable
    ├── EngineError             the place where work runs failed, not the work
    └── MissingExtraError       an optional dependency is not installed

`RankingInterrupted` is no error: it is Ctrl-C when a ranking is finished and its evaluation is not.

A message says what was wrong, what was expected and what to try.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AlreadyDoneError",
    "CorpusError",
    "EngineError",
    "InputError",
    "LabelError",
    "MismatchError",
    "MissingExtraError",
    "ModelError",
    "OnegrainError",
    "OutputExistsError",
    "ParameterError",
    "RankingInterrupted",
    "RecordError",
    "StorageError",
]


class OnegrainError(Exception):
    """Base of every error that onegrain raises on purpose."""


class InputError(OnegrainError, ValueError):
    """An input cannot be used."""


class CorpusError(InputError):
    """A corpus file is malformed.

    Args:
        message: description of the fault and of the expected input.
        path: the file.
        line: the line, counted from 1; None if the error concerns the whole file.
    """

    def __init__(self, message: str, path: object = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class LabelError(InputError):
    """A label layer or a label does not exist."""


class ModelError(InputError):
    """A model cannot be loaded, or does not have a site."""


class RecordError(InputError):
    """A file is not the expected record, or is incomplete or damaged."""


class MismatchError(InputError):
    """Two records do not belong together."""


class ParameterError(InputError):
    """An option or argument has an impossible value."""


class OutputExistsError(InputError):
    """The output already exists, and no option asks to replace it."""


class AlreadyDoneError(OutputExistsError):
    """The same run already made the output, so nothing is left to do.

    The command line prints the message and ends with exit code 0, so that a command which was killed at the
    last moment can be repeated like any other.
    """


class StorageError(OnegrainError):
    """A disk or a storage service failed: it is full, read-only or not reachable."""


class EngineError(OnegrainError):
    """The place where work runs failed: a cluster is not reachable, or workers die or cannot load a model."""


class MissingExtraError(OnegrainError):
    """An optional dependency is not installed."""


class RankingInterrupted(KeyboardInterrupt):
    """Ctrl-C while a finished ranking is evaluated; like any KeyboardInterrupt, it ends what does not catch it.

    Attributes:
        ranking: the ranking, without its evaluation.
    """

    def __init__(self, ranking: Any) -> None:
        super().__init__("interrupted while the ranking was evaluated")
        self.ranking = ranking
