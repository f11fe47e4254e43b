"""Reader of column files: one word a line with its labels, a blank line between sentences (CoNLL-2000)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from onegrain.core.corpus import Corpus
from onegrain.corpora.text import read_text_lines
from onegrain.errors import CorpusError, ParameterError

__all__ = ["read_columns", "split_columns"]

_DOCUMENT = "-DOCSTART-"
_THREE = ("word", "xpos", "chunk")


def split_columns(line: str) -> list[str]:
    """The fields of a line: split at tabs where it has any, else at white space."""
    return [field.strip() for field in line.split("\t")] if "\t" in line else line.split()


def read_columns(path: str | Path, *, columns: Sequence[str] | None = None, limit: int | None = None) -> Corpus:
    """Read a column file; every column but ``word`` becomes a label layer.

    Args:
        path: the file. Lines of the word ``-DOCSTART-`` (CoNLL-2003) are left out.
        columns: the columns' names, exactly one of them ``word``; a column named ``_`` is dropped. Without
            names, three columns are ``word xpos chunk`` (CoNLL-2000), and others ``word column2 column3 ...``.
        limit: read at most so many sentences.

    Raises:
        CorpusError: with file and line, when a line has not as many columns as names.
        ParameterError: ``columns`` does not name ``word`` once, or names a layer twice.
    """
    lines = read_text_lines(path)
    names = _names(columns, lines)
    sentences: list[list[list[str]]] = [[]]
    for number, line in enumerate(lines, start=1):
        row = split_columns(line)
        if not line.strip():
            sentences.append([])
        elif len(row) != len(names) or not all(row):
            raise CorpusError(
                f"expected {len(names)} columns ({' '.join(names)}), found {len([f for f in row if f])}; "
                "a blank line ends a sentence, and columns= names the columns",
                path,
                number,
            )
        elif row[names.index("word")] != _DOCUMENT:
            sentences[-1].append(row)
    kept = list(islice((sentence for sentence in sentences if sentence), limit))
    by_name = {
        name: [[row[at] for row in sentence] for sentence in kept]
        for at, name in enumerate(names)
        if name != "_"
    }
    words = by_name.pop("word")
    return Corpus.from_sentences(words, by_name, source=str(path))


def _names(columns: Sequence[str] | None, lines: Sequence[str]) -> tuple[str, ...]:
    if columns is None:
        width = len(split_columns(next(line for line in lines if line.strip())))
        return _THREE if width == 3 else ("word", *(f"column{number}" for number in range(2, width + 1)))
    names = tuple(columns)
    kept = [name for name in names if name != "_"]
    if kept.count("word") != 1 or len(set(kept)) != len(kept):
        raise ParameterError(f"columns must name 'word' once and no layer twice, got {' '.join(names)}")
    return names
