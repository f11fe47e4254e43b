"""Reader of column files: one word per line with its labels, a blank line between sentences (CoNLL-2000)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from onegrain.corpora.headers import is_header
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError, ParameterError
from onegrain.records.corpus import Corpus

__all__ = ["Row", "column_rows", "counts_words", "read_columns", "split_columns"]

_DOCUMENT = "-DOCSTART-"
_THREE = ("word", "xpos", "chunk")
_ID = re.compile(r"([0-9]+)(?:[-.][0-9]+)?")


class Row(NamedTuple):
    """A line with a word.

    Attributes:
        number: number of the line, from 1.
        fields: the columns.
        first: True if the line begins the file, or follows a blank line or a comment.
        document: number of the document, from 0.
    """

    number: int
    fields: list[str]
    first: bool
    document: int = 0


def split_columns(line: str) -> list[str]:
    """Return the fields of a line, split at tabs if it has any, else at spaces."""
    if "\t" in line:
        return [field.strip(" ") for field in line.split("\t")]
    return [field for field in line.split(" ") if field]


def column_rows(lines: Sequence[str]) -> Iterator[Row]:
    """Yield the lines with words, without marks of documents and comments.

    A comment is a line that begins with ``#``, comes before the first word of a sentence, and has another
    number of columns than most lines. If it has the same number, ``#`` is taken as a word.
    """
    width = _usual_width(lines)
    first = True
    document, begun = 0, False
    for number, line in enumerate(lines, start=1):
        fields = split_columns(line)
        if not line.strip() or fields[0] == _DOCUMENT or _is_comment(line, fields, width, first):
            if fields and fields[0] == _DOCUMENT:
                document, begun = document + begun, False
            first = True
            continue
        yield Row(number, fields, first, document)
        first, begun = False, True


def read_columns(
    path: str | Path | TextFile, *, columns: Sequence[str] | None = None, limit: int | None = None
) -> Corpus:
    """Read a column file; every column except ``word`` becomes a label layer.

    Args:
        path: the file. A line with the word ``-DOCSTART-`` (CoNLL-2003) begins a document. Comments before the
            first word of a sentence are left out, see :func:`column_rows`. A first line that names the columns
            is a header.
        columns: the columns' names, exactly one of them ``word``; a column named ``_`` is dropped. Without
            names and header, three columns are ``word xpos chunk`` (CoNLL-2000), and others
            ``word column2 column3 ...``.
        limit: largest number of sentences to read.

    Raises:
        CorpusError: a line has more or fewer columns than there are names; a line may be a comment or the word
            ``#``; or the first column counts the words and ``columns`` is missing. The message names file and
            line.
        ParameterError: ``columns`` does not name ``word`` once, or names a layer twice.
    """
    file = open_text(path)
    rows = list(column_rows(file.lines))
    if not rows:
        raise CorpusError("no words, only comments; expected one word a line", file.path)
    names, rows = _names(columns, rows, file)
    for row in rows:
        if len(row.fields) != len(names) or not all(row.fields):
            raise CorpusError(
                f"expected {len(names)} columns ({' '.join(names)}), found "
                f"{len([f for f in row.fields if f])}; "
                "a blank line ends a sentence, and columns= names the columns; if each line is a sentence, the "
                "format is plain",
                file.path,
                row.number,
            )
    if columns is None:
        _require_no_comment(rows, file)
    kept = list(islice(_sentences(rows), limit))
    documents = [sentence[0].document for sentence in kept]
    by_name = {
        name: [[row.fields[position] for row in sentence] for sentence in kept]
        for position, name in enumerate(names)
        if name != "_"
    }
    words = by_name.pop("word")
    return Corpus.from_sentences(
        words, by_name, source=str(file.path), document_of=documents if documents[-1] else None
    )


def counts_words(rows: Sequence[Row]) -> bool:
    """Return True if the first column counts the words of each sentence, from 0 or from 1, as word IDs do."""
    expected, counted = 0, 0
    for row in rows:
        number = _ID.fullmatch(row.fields[0])
        if number is None:
            return False
        value = int(number.group(1)) if len(number.group(1)) < 10 else -1
        if row.first:
            if value not in (0, 1):
                return False
            expected = value
        elif value not in (expected, expected + 1):
            return False
        counted += value == expected + 1
        expected = value
    return len(rows) > 1 and counted > 0


def _usual_width(lines: Sequence[str]) -> int:
    """Return the number of columns that most lines have, leaving out lines that begin with ``#``."""
    widths = Counter(len(split_columns(line)) for line in lines if line.strip() and not line.startswith("#"))
    return max(widths, key=lambda width: (widths[width], -width)) if widths else 0


def _is_comment(line: str, fields: list[str], width: int, first: bool) -> bool:
    return first and line.startswith("#") and len(fields) != width


def _sentences(rows: Sequence[Row]) -> Iterator[list[Row]]:
    sentence: list[Row] = []
    for row in rows:
        if row.first and sentence:
            yield sentence
            sentence = []
        sentence.append(row)
    if sentence:
        yield sentence


def _names(columns: Sequence[str] | None, rows: list[Row], file: TextFile) -> tuple[tuple[str, ...], list[Row]]:
    """Return the names of the columns, and the rows without a header."""
    first = tuple(rows[0].fields)
    if columns is not None:
        names = tuple(columns)
        kept = [name for name in names if name != "_"]
        if kept.count("word") != 1 or len(set(kept)) != len(kept):
            raise ParameterError(f"columns must name 'word' once and no layer twice, got {' '.join(names)}")
        headed = tuple(map(str.casefold, first)) == tuple(map(str.casefold, names)) or is_header(first)
        return names, _after_header(rows) if headed and len(rows) > 1 else rows
    if is_header(first) and len(rows) > 1:
        names = tuple("word" if name.casefold() in ("word", "token", "form") else name for name in first)
        if names.count("word") == 1 and len(set(names)) == len(names):
            return names, _after_header(rows)
        raise CorpusError(f"the header names no column 'word', or one twice: {' '.join(first)}", file.path, 1)
    if counts_words(rows):
        named = ",".join(["_", "word", *(f"column{number}" for number in range(3, len(first) + 1))])
        raise CorpusError(
            "the first column counts the words of each sentence; name the columns and drop it with _, such as "
            f"--columns {named} (columns= in Python)",
            file.path,
            rows[0].number,
        )
    width = len(first)
    return (_THREE if width == 3 else ("word", *(f"column{k}" for k in range(2, width + 1)))), rows


def _after_header(rows: list[Row]) -> list[Row]:
    """Return the rows after a header, the first of which begins a sentence."""
    return [rows[1]._replace(first=True), *rows[2:]]


def _require_no_comment(rows: Sequence[Row], file: TextFile) -> None:
    """Refuse a first line of a sentence that may be a comment, the word ``#`` or a hashtag."""
    labels = {row.fields[-1] for row in rows if not row.fields[0].startswith("#")}
    for row in rows:
        if row.first and row.fields[0].startswith("#") and len(row.fields) > 1 and row.fields[-1] not in labels:
            raise CorpusError(
                f"a comment, or the word {row.fields[0]!r} with a label that no other word has? Remove the "
                f"line if "
                "it is a comment; columns= names the columns if it is a word",
                file.path,
                row.number,
            )
