"""Checksums that records carry of their own content, and the one error of a record that cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onegrain.core.output import whole_file
from onegrain.errors import MissingExtraError, OnegrainError, RecordError, StorageError

__all__ = [
    "CHECKSUM",
    "content_checksum",
    "file_digest",
    "read_json",
    "read_sealed_json",
    "reading",
    "reason",
    "require_checksum",
    "using",
    "write_sealed_json",
]

CHECKSUM = "checksum"
"""The key of a JSON record that holds the checksum of all others."""

PREFIX = "sha256:"
LONGEST_REASON = 300


@contextmanager
def reading(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Turn every failure to read a record into one RecordError that names the file and a remedy.

    Args:
        path: the file.
        kind: the kind of record that it should hold, such as ``ranking``.

    Raises:
        RecordError: the block failed; errors of storage, a missing package and memory pass as they are.
    """
    try:
        yield
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist") from None
    except RecordError as error:
        text = str(error)
        raise (error if str(path) in text else RecordError(f"{path}: {text}")) from error.__cause__
    except (StorageError, MissingExtraError, MemoryError):
        raise
    except OSError as error:
        raise RecordError(f"{path} cannot be read as a {kind} ({error.strerror or reason(error)})") from error
    except Exception as error:
        raise RecordError(
            f"{path} is not a whole {kind} ({reason(error)}); it is damaged, or another program wrote it: make "
            "it again, or take it from a copy"
        ) from error


@contextmanager
def using(what: str) -> Iterator[None]:
    """Turn a failure to use the details of records that were read into one RecordError that names them.

    Details are free in form, so a record can load without the details that a table or a section needs.

    Args:
        what: the records, such as the path of one.

    Raises:
        RecordError: the block failed; onegrain's errors, those of the system and of memory pass as they are.
    """
    try:
        yield
    except (OnegrainError, OSError, MemoryError):
        raise
    except Exception as error:
        raise RecordError(
            f"{what} cannot be shown, because details are missing or of another form ({reason(error)}); "
            "another program or version of onegrain wrote them: make the record again"
        ) from error


def reason(error: BaseException) -> str:
    """Return the message of an error in one line, with its kind if the text alone is unclear."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        text = f"it has no {text}"
    elif isinstance(error, RecursionError):
        text = "it is nested too deeply"
    elif not text:
        text = type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def content_checksum(content: Mapping[str, Any], *files: str) -> str:
    """Return ``sha256:`` and the SHA-256 (hex) of a JSON object without its checksum, and of files beside it.

    The digest is of the values in their order, not of spaces and line ends, so a file may be indented anew.

    Args:
        content: the object; its key ``checksum`` is left out.
        files: the :func:`file_digest` of other files that the checksum covers, in order.

    >>> content_checksum({"a": 1}) == content_checksum({"a": 1, "checksum": "of old"})
    True
    """
    rest = {key: value for key, value in content.items() if key != CHECKSUM}
    digest = hashlib.sha256(json.dumps(rest, separators=(",", ":")).encode())
    for file in files:
        digest.update(file.encode())
    return PREFIX + digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_checksum(path: str | os.PathLike[str], kind: str, content: Mapping[str, Any], *files: str) -> None:
    """Raise RecordError unless an object's ``checksum`` is that of its content and of files beside it."""
    stored = content.get(CHECKSUM)
    if stored is None:
        raise RecordError(
            f"{path} has no {CHECKSUM!r}, so damage to it could not be noticed: it is damaged, was changed by "
            f"another program, or was made by onegrain 0.1; make the {kind} again"
        )
    if stored != content_checksum(content, *files):
        raise RecordError(
            f"{path} does not have the content that its checksum says: it is damaged, or another program "
            f"changed it; make the {kind} again, or take it from a copy"
        )


def write_sealed_json(path: str | os.PathLike[str], content: Mapping[str, Any], *, force: bool) -> None:
    """Write a JSON object whole or not at all, with its checksum as last key; the same object, the same bytes.

    Infinity and NaN are refused with ValueError, since JSON has no such numbers.
    """
    sealed = {**content, CHECKSUM: content_checksum(content)}
    text = json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with whole_file(path, force=force) as partial:
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))  # a lone surrogate as JSON escapes it


def read_json(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Return the object that a JSON file holds; does not look at its checksum.

    Raises:
        RecordError: the file is missing, is not JSON, or holds no object.
    """
    with reading(path, kind):
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise
        except (OSError, ValueError, RecursionError) as error:
            raise RecordError(f"{path} is not a JSON file: {reason(error)}") from error
        if not isinstance(content, dict):
            raise RecordError(f"{path} is JSON, but not {kind}: it holds a {type(content).__name__}")
    return content


def read_sealed_json(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Return the object that :func:`write_sealed_json` wrote, without its checksum.

    Raises:
        RecordError: the file is missing, damaged, or has no checksum.
    """
    content = read_json(path, kind)
    with reading(path, kind):
        require_checksum(path, kind, content)
    return {key: value for key, value in content.items() if key != CHECKSUM}
