"""Readers of CSV and TSV files with a header: one word per row, columns by name."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from onegrain.corpora.headers import SENTENCE_NAMES, roles
from onegrain.corpora.tables import corpus_of_words
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus

__all__ = ["delimiter_of", "read_csv", "read_tsv"]

Cells = tuple[int, list[str]]


def read_csv(
    path: str | Path | TextFile, *, columns: Sequence[str] | None = None, limit: int | None = None
) -> Corpus:
    """Read a CSV file with a header, separated by commas, semicolons or tabs.

    One column holds the words (``word``, ``token`` or ``form``), and one identifies sentences (``sentence``,
    ``sentence_id``, ``sent_id`` or ``sent``: a new value begins a sentence, and an empty one continues it).
    Without such a column, blank lines must separate sentences. Each other column is a label layer; empty cells
    are unlabelled.

    Args:
        path: the file.
        columns: names of the columns in place of the header's; ``_`` drops a column.
        limit: largest number of sentences to read.

    Raises:
        CorpusError: a row has more or fewer cells than the header, no column holds words, or sentences are not
            separated. The message names file and line.
    """
    file = open_text(path)
    return _corpus(file, list(_quoted(file, delimiter_of(file.lines[0]))), columns, limit)


def read_tsv(
    path: str | Path | TextFile, *, columns: Sequence[str] | None = None, limit: int | None = None
) -> Corpus:
    """Read a TSV file with a header, see :func:`read_csv`; quotation marks have no special meaning.

    Raises:
        CorpusError: as for :func:`read_csv`, and if a cell is quoted as in CSV.
    """
    file = open_text(path)
    rows = [(number, line.split("\t")) for number, line in enumerate(file.lines, start=1)]
    for number, cells in rows:
        for cell in cells:
            if len(cell) > 3 and cell[0] == cell[-1] == '"' and '""' in cell[1:-1]:
                raise CorpusError(
                    f"{cell} is quoted as in CSV; read it as csv, or write it plain", file.path, number
                )
    return _corpus(file, [(number, [] if not any(cells) else cells) for number, cells in rows], columns, limit)


def delimiter_of(header: str) -> str:
    """Return the delimiter of a header: the most frequent of comma, semicolon and tab."""
    return max(",;\t", key=header.count)


def _quoted(file: TextFile, delimiter: str) -> Iterator[Cells]:
    """Yield the rows of a CSV file with the line where each begins; a blank line is a row without cells."""
    reader = csv.reader((line + "\n" for line in file.lines), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any("\n" in cell for cell in cells):
                raise CorpusError(
                    'a quoted cell goes over several lines; a quotation mark that is a word is written """"',
                    file.path,
                    line,
                )
            yield line, cells if any(cell.strip() for cell in cells) else []
            line = reader.line_num + 1
    except csv.Error as fault:
        raise CorpusError(f"this is not CSV: {fault}", file.path, line) from fault


def _corpus(file: TextFile, rows: list[Cells], columns: Sequence[str] | None, limit: int | None) -> Corpus:
    header, body = rows[0][1], rows[1:]
    word, sentence, layers = roles(header, columns, file.path)
    if not any(cells for _, cells in body):
        raise CorpusError("a header, and no words", file.path)
    for number, cells in body:
        if cells and len(cells) != len(header):
            raise CorpusError(
                f"expected {len(header)} cells ({', '.join(header)}), found {len(cells)}", file.path, number
            )
    blocks = _blocks(body)
    filled = [(number, cells) for number, cells in body if cells]
    if sentence is None and max(blocks) == 0:
        raise CorpusError(
            f"nothing tells sentences apart: name a column sentence_id ({', '.join(SENTENCE_NAMES)}), or "
            f"put blank "
            "lines between sentences",
            file.path,
        )
    numbers = [number for number, _ in filled]
    return corpus_of_words(
        [cells[word] for _, cells in filled],
        blocks if sentence is None else [cells[sentence] for _, cells in filled],
        {name: [cells[column] for _, cells in filled] for name, column in layers.items()},
        source=str(file.path),
        place=numbers.__getitem__,
        limit=limit,
    )


def _blocks(body: Sequence[Cells]) -> list[int]:
    """Return for each row with cells the number of groups of blank rows between it and the first row."""
    blocks: list[int] = []
    block, blank = 0, False
    for _, cells in body:
        if not cells:
            blank = bool(blocks)
            continue
        block += blank
        blank = False
        blocks.append(block)
    return blocks
