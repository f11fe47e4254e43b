"""Guess the format of a corpus file; an error asks for it if the text fits several formats."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from onegrain.corpora.columns import Row, column_rows, counts_words
from onegrain.corpora.conll import COLUMNS_2009
from onegrain.corpora.conllu import COLUMNS
from onegrain.corpora.conllup import plus_columns
from onegrain.corpora.headers import WORD_NAMES, is_header
from onegrain.corpora.labelled import Labelling, looks_labelled
from onegrain.corpora.pairs import holds_pairs
from onegrain.corpora.separated import delimiter_of
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError

__all__ = ["guess_format"]

_LOOKED_AT = 1000
_SUFFIXES = {
    ".conllu": "conllu",
    ".conll-u": "conllu",
    ".conllup": "conllup",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_JSON_OBJECT = re.compile(r'\s*(?:\[\s*)?\{\s*"')
_MARKUP = re.compile(r"\s*<(?:\?xml|!doctype|html|tei|corpus|text\b)", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z]+(?:\s[^>]*)?>")
_ASSIGNMENT = re.compile(r"#\s*[\w.]+\s*=\s*\S")
_TAGGED = re.compile(r"[^_/|]+[_/|](?:[A-Z][A-Z0-9$+\-]*|[.,:$'`#()]+)")
_IDENTIFIER = re.compile(r"[A-Za-z_][\w .#\-]*")
_WIDE_TABS, _SPACED_CELLS, _TAGGED_SHARE, _RAGGED = 0.5, 0.2, 0.9, 0.5


def guess_format(path: str | Path | TextFile) -> str:
    """Return the likely format of a corpus file without label files, from its name and first 1,000 lines.

    ``conllup``: the first line declares the columns. ``conllu`` and ``conll2009``: ten, or 14 and more,
    tab-separated columns that begin with word IDs. ``pairs`` and ``jsonl``: JSON objects, with and without a
    good and a bad sentence. ``csv`` and ``tsv``: a header that
    names a column of words. ``columns``: one word per line, with columns that hold labels, see
    :func:`onegrain.corpora.labelled.looks_labelled`. ``plain``: lines of text.

    Raises:
        CorpusError: the text fits several formats, or none that can be read; the message asks for the format.
    """
    file = open_text(path)
    declared = plus_columns(file)
    if declared is not None:
        return "conllu" if declared == list(COLUMNS) else "conllup"
    lines = file.lines[:_LOOKED_AT]
    if _JSON_OBJECT.match("\n".join(lines[:3])):
        return "pairs" if holds_pairs(lines) else "jsonl"
    suffix = _SUFFIXES.get(Path(file.path).suffix.lower())
    if suffix is not None:
        return suffix
    if _MARKUP.match(lines[0]):
        raise CorpusError(
            "this is XML or HTML, which is not read; write words as JSON lines or columns", file.path
        )
    tags = [number for number, line in enumerate(lines, start=1) if _TAG.fullmatch(line.strip())]
    if len(tags) > 1:
        raise _ask(file, "lines that hold nothing but a tag of markup", "plain, if the tags are words", tags[0])
    if _is_csv(lines):
        return "csv"
    rows = list(column_rows(lines))
    if not rows:
        raise CorpusError("only comments, and no words; if they are sentences, the format is plain", file.path)
    if sum("\t" in lines[row.number - 1] for row in rows) >= _WIDE_TABS * len(rows):
        return _tabbed(rows, file)
    return _spaced(rows, lines, file)


def _ask(file: TextFile, message: str, formats: str, line: int | None = None) -> CorpusError:
    return CorpusError(f"{message}; which format is it (--format, format=): {formats}?", file.path, line)


def _width(rows: Sequence[Row]) -> tuple[int, float]:
    """Return the most frequent number of columns, and the share of rows that have it."""
    widths = Counter(len(row.fields) for row in rows)
    width = max(widths, key=lambda width: (widths[width], width))
    return width, widths[width] / len(rows)


def _tabbed(rows: list[Row], file: TextFile) -> str:
    width, share = _width(rows)
    if counts_words(rows):
        if width == 10:
            return "conllu"
        if width >= len(COLUMNS_2009):
            return "conll2009"
        raise _ask(
            file,
            f"the first of {width} columns counts the words of each sentence; name the columns and drop it "
            f"with "
            f"_ (--columns _,word,..., columns=)",
            "columns, or conllu with ten columns",
            rows[0].number,
        )
    if is_header(rows[0].fields) and len(rows) > 1:
        return "tsv"
    cells = [field for row in rows for field in row.fields]
    if sum(" " in cell for cell in cells) > _SPACED_CELLS * len(rows):
        raise _ask(
            file,
            "tab-separated cells that hold several words, as sentences with one label or a translation do",
            "plain, if all of it is text (words and labels go in columns, one word per line)",
        )
    if share < _RAGGED:
        raise _ask(file, "lines with tabs, but not of one number of columns", "columns or plain")
    _require_words_first(rows, width, file)
    return "columns"


def _spaced(rows: list[Row], lines: Sequence[str], file: TextFile) -> str:
    width, share = _width(rows)
    numbered = all(row.fields[0].isdecimal() for row in rows)
    if width > 1 and len(rows) > 1 and numbered and counts_words(rows):
        raise _ask(
            file,
            "each line begins with a number that counts the lines",
            "columns with --columns _,word,..., or plain if the numbers are words",
            rows[0].number,
        )
    if is_header(rows[0].fields) and share == 1 and len(rows) > 1:
        return "columns"
    blanks = sum(row.first for row in rows) - 1
    verdict = looks_labelled(rows, width, share, grouped=0 < blanks < len(rows) / 2)
    if verdict is Labelling.YES:
        _require_words_first(rows, width, file)
        return "columns"
    if verdict is Labelling.UNSURE:
        raise _ask(
            file,
            "each line could be a sentence, or a word with its labels"
            if width > 1
            else "one word on each line",
            "columns (a word per line, blank lines between sentences) or plain (a sentence per line)",
        )
    _require_plain(lines, file)
    return "plain"


def _is_csv(lines: Sequence[str]) -> bool:
    """Return True if the first line is the header of a CSV file with words, and all rows fit it."""
    delimiter = delimiter_of(lines[0])
    if delimiter not in lines[0] or delimiter == "\t":
        return False
    try:
        rows = [cells for cells in csv.reader(lines, delimiter=delimiter) if cells]
    except csv.Error:
        return False
    header = [cell.strip() for cell in rows[0]]
    if not all(_IDENTIFIER.fullmatch(cell) for cell in header if cell) or len(rows) < 2:
        return False
    named = any(cell.casefold() in WORD_NAMES for cell in header)
    return named or (" " not in "".join(header) and all(len(cells) == len(header) for cells in rows))


def _require_words_first(rows: Sequence[Row], width: int, file: TextFile) -> None:
    """Ask for the column of words if the first column is constant or has fewer values than another."""
    full = [row.fields for row in rows if len(row.fields) == width]
    values = [len({fields[column] for fields in full}) for column in range(width)]
    if len(full) >= 4 and (values[0] == 1 or max(values) > 1.5 * values[0]):
        raise _ask(
            file,
            f"the first column has {values[0]} different values and another {max(values)}, so it may not "
            f"hold the "
            "words; name the columns (--columns, columns=), one of them word",
            "columns or plain",
        )


def _require_plain(lines: Sequence[str], file: TextFile) -> None:
    """Ask for the format of text that has comments with values, words with tags, or words between commas."""
    for number, line in enumerate(lines, start=1):
        if _ASSIGNMENT.match(line):
            raise _ask(file, "a comment among lines of text", "plain, if the comments are text", number)
    filled = [line for line in lines if line.strip()]
    words = [word for line in filled for word in line.split()]
    if len(words) >= 3 and sum(_TAGGED.fullmatch(word) is not None for word in words) >= _TAGGED_SHARE * len(
        words
    ):
        raise _ask(
            file,
            f"words that carry tags, such as {words[0]!r}; write words and tags in columns or parallel files",
            "plain, if they are the words",
        )
    for mark in ",;|":
        counts = {line.count(mark) for line in filled}
        bare = not any(" " in line for line in filled)
        if bare and len(counts) == 1 and counts != {0} and len(filled) > 1:
            raise _ask(
                file,
                f"cells with {mark!r} between them, and no header that names them",
                "csv with a header, or plain",
            )
