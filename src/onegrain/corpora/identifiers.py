"""The check that every word of a CoNLL file has the next ID and a form."""

from __future__ import annotations

from pathlib import Path

from onegrain.errors import CorpusError

__all__ = ["require_word"]


def require_word(row: list[str], expected: int, path: str | Path, number: int) -> None:
    """Raise CorpusError unless the first column is the expected ID and the second is not empty.

    Args:
        row: the columns of the line.
        expected: the ID that the word must have; IDs count from 1 in every sentence.
        path: the file.
        number: the number of the line.
    """
    if row[0] != str(expected):
        raise CorpusError(
            f"expected word ID {expected}, found {row[0]!r}; IDs count from 1, a blank line ends a sentence",
            path,
            number,
        )
    if not row[1].strip():
        raise CorpusError("the FORM column is empty; expected a word", path, number)
