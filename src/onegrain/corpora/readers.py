"""The one door to corpus files: guess or take the format, and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onegrain.core.corpus import Corpus
from onegrain.corpora.columns import read_columns, split_columns
from onegrain.corpora.conllu import read_conllu
from onegrain.corpora.lines import label_files, read_lines, read_plain
from onegrain.corpora.text import read_text_lines
from onegrain.errors import ParameterError

__all__ = ["FORMATS", "guess_format", "read_corpus"]

FORMATS = ("conllu", "lines", "columns", "plain")
"""The formats that :func:`read_corpus` reads."""


def read_corpus(
    path: str | Path,
    *,
    labels: str | Path | Mapping[str, str | Path] | None = None,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> Corpus:
    """Read a corpus file.

    Args:
        path: the file, UTF-8.
        labels: label files parallel to a word file, by layer name, e.g. ``{"supersense": "train.label"}``; a
            lone file names its layer by its suffix.
        format: one of :data:`FORMATS`; guessed when None, see :func:`guess_format`.
        columns: the names of the columns of a column file, see :func:`onegrain.corpora.columns.read_columns`.
        limit: read at most so many sentences; 1 or more.

    Raises:
        CorpusError: the file is malformed; the message names file and line.
        ParameterError: an unknown format, a limit below 1, or an option that the format does not have.
    """
    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be 1 or more sentences, got {limit}; leave it out to read all")
    if format is not None and format not in FORMATS:
        raise ParameterError(f"unknown corpus format {format!r}; the formats are: {', '.join(FORMATS)}")
    if labels is not None and format not in (None, "lines"):
        raise ParameterError(f"labels= belongs to the format 'lines', not {format!r}; leave out one of them")
    if columns is not None and format not in (None, "columns"):
        raise ParameterError(f"columns= belongs to the format 'columns', not {format!r}; leave out one of them")
    if labels is not None and columns is not None:
        raise ParameterError("labels= and columns= belong to different formats; leave out one of them")
    if labels is not None or format == "lines":
        return read_lines(path, label_files(labels), limit=limit)
    if columns is not None or format == "columns":
        return read_columns(path, columns=columns, limit=limit)
    reader = {"conllu": read_conllu, "columns": read_columns, "plain": read_plain}[format or guess_format(path)]
    return reader(path, limit=limit)


def guess_format(path: str | Path) -> str:
    """Guess the format of a corpus file without label files.

    ``conllu``: the name ends in .conllu or .conll-u, or the first line that is no comment has ten tab-separated
    columns and an ID. ``columns``: the first 200 lines hold blank lines, and all others the same number of
    columns, two or more, in sentences of more than one line on average. ``plain``: everything else.
    """
    if Path(path).suffix.lower() in (".conllu", ".conll-u"):
        return "conllu"
    lines = read_text_lines(path)[:200]
    filled = [line for line in lines if line.strip()]
    rows = [line.split("\t") for line in filled if not line.startswith("#")]
    if rows and len(rows[0]) == 10 and rows[0][0].partition("-")[0].isdigit():
        return "conllu"
    widths = {len(split_columns(line)) for line in filled}
    blank = len(lines) - len(filled)
    if len(widths) == 1 and min(widths) >= 2 and 0 < blank < len(filled) / 2:
        return "columns"
    return "plain"
