"""Every error that onegrain raises on purpose.

::

    OnegrainError
    ├── InputError              what the user gave cannot be used
    │   ├── CorpusError         a corpus file is malformed; names file and line
    │   ├── LabelError          a label layer or label does not exist; names the ones that do
    │   ├── ModelError          a model folder cannot be loaded, or a site does not exist in it
    │   ├── RecordError         a file is not the record it should be, or is incomplete or damaged
    │   ├── MismatchError       two records do not belong together
    │   ├── ParameterError      an option or argument has an impossible value
    │   └── OutputExistsError   the output is there already, and replacing it was not asked for
    │       └── AlreadyDoneError    the same run made it, so nothing is left to do
    ├── StorageError            the disk refused: full, read-only, gone
    ├── EngineError             where the work runs failed, not the work
    └── MissingExtraError       an optional dependency is not installed

An error's text says what was wrong, what was expected and what to try.
"""

from __future__ import annotations

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
    "RecordError",
    "StorageError",
]


class OnegrainError(Exception):
    """Base of every error that onegrain raises on purpose."""


class InputError(OnegrainError, ValueError):
    """What the user gave cannot be used."""


class CorpusError(InputError):
    """A corpus file is malformed.

    Args:
        message: what was wrong and what was expected.
        path: the file.
        line: the 1-based line, or None where the whole file is meant.
    """

    def __init__(self, message: str, path: object = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class LabelError(InputError):
    """A label layer or a label does not exist."""


class ModelError(InputError):
    """A model cannot be loaded, or does not have the site that was named."""


class RecordError(InputError):
    """A file is not the record that it should be, or is incomplete or damaged."""


class MismatchError(InputError):
    """Two records do not belong together."""


class ParameterError(InputError):
    """An option or argument has an impossible value."""


class OutputExistsError(InputError):
    """The output is there already, and replacing it was not asked for."""


class AlreadyDoneError(OutputExistsError):
    """The output is there already, made by the same run: nothing is left to do.

    The command line prints it and ends with exit code 0, so that a command which was killed at its very end can
    be repeated like any other.
    """


class StorageError(OnegrainError):
    """The disk refused: full, read-only or gone."""


class EngineError(OnegrainError):
    """Where the work runs failed, not the work: no such cluster, or workers that die or cannot load a model."""


class MissingExtraError(OnegrainError):
    """An optional dependency is not installed."""
