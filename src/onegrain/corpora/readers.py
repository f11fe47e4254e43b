"""Read a corpus from a file, whose format is guessed or named, or from data in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onegrain.corpora.coercion import corpus_in_memory
from onegrain.corpora.columns import read_columns
from onegrain.corpora.conll import read_conll2009
from onegrain.corpora.conllu import read_conllu
from onegrain.corpora.conllup import read_conllup
from onegrain.corpora.guessing import guess_format
from onegrain.corpora.jsonlines import read_json_lines
from onegrain.corpora.lines import label_files, read_lines, read_plain, read_text
from onegrain.corpora.pairs import read_pairs
from onegrain.corpora.separated import read_csv, read_tsv
from onegrain.corpora.text import open_text
from onegrain.errors import ParameterError
from onegrain.records.corpus import Corpus

__all__ = ["FORMATS", "as_corpus", "guess_format", "read_corpus", "read_file"]

FORMATS = (
    "conllu", "conllup", "conll2009", "columns", "csv", "tsv", "jsonl", "pairs", "lines", "plain", "text",
)  # fmt: skip
"""The formats that :func:`read_corpus` reads."""

_NAMED_COLUMNS = ("columns", "csv", "tsv")
_READERS: dict[str, Callable[..., Corpus]] = {
    "conllu": read_conllu,
    "conllup": read_conllup,
    "conll2009": read_conll2009,
    "columns": read_columns,
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_json_lines,
    "pairs": read_pairs,
    "plain": read_plain,
    "text": read_text,
}


def read_corpus(
    data: Any,
    *,
    labels: str | Path | Mapping[str, Any] | None = None,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> Corpus:
    """Read a corpus from a file, or from data in memory.

    Args:
        data: the path of a file, or data in memory: lists of words, a data frame, a Hugging Face ``Dataset``,
            or a corpus; see :func:`onegrain.corpora.coercion.corpus_in_memory`.
        labels: by layer name, the label files of a text file, e.g. ``{"supersense": "train.label"}`` (a single
            file names its layer by its suffix), or the lists of labels of lists of words.
        format: the format of the file, one of :data:`FORMATS`; None to guess it, see :func:`guess_format`.
        columns: the names of the columns of a column file, a table with a header, a data frame or a data set;
            one is ``word``, and ``_`` drops a column.
        limit: largest number of sentences to read, 1 or more; of minimal pairs, the number of pairs.

    Raises:
        CorpusError: the data are malformed, or their format is uncertain; the message names file and line.
        ParameterError: an unknown format, a limit below 1, or an option that the format does not have.
    """
    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be 1 or more sentences, got {limit}; leave it out to read all")
    if isinstance(data, str | os.PathLike):
        return read_file(Path(data), labels=labels, format=format, columns=columns, limit=limit)[0]
    if format is not None:
        raise ParameterError(f"format={format!r} is about files; leave it out for data in memory")
    if isinstance(labels, str | Path):
        raise ParameterError(
            "a label file belongs to a word file; give labels of lists of words as lists, by name"
        )
    return corpus_in_memory(data, labels=labels, columns=columns, limit=limit)


def as_corpus(data: Any) -> Corpus:
    """Return the data as a corpus: a corpus itself, other data as :func:`read_corpus` reads them."""
    return data if isinstance(data, Corpus) else read_corpus(data)


def read_file(
    path: str | Path,
    *,
    labels: str | Path | Mapping[str, str | Path] | None = None,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> tuple[Corpus, str]:
    """Read a corpus file once, and return the corpus and its format; see :func:`read_corpus`."""
    if format is not None and format not in FORMATS:
        raise ParameterError(f"unknown corpus format {format!r}; the formats are: {', '.join(FORMATS)}")
    if labels is not None and format not in (None, "lines"):
        raise ParameterError(f"labels= belongs to the format 'lines', not {format!r}; leave out one of them")
    if columns is not None and format not in (None, *_NAMED_COLUMNS):
        raise ParameterError(
            f"columns= belongs to the format 'columns' (and to csv and tsv), not {format!r}; leave out one "
            f"of them"
        )
    if labels is not None and columns is not None:
        raise ParameterError("labels= and columns= belong to different formats; leave out one of them")
    file = open_text(path)
    if labels is not None or format == "lines":
        return read_lines(file, label_files(labels), limit=limit), "lines"
    if columns is not None:
        chosen = format or (guess_format(file) if Path(path).suffix.lower() in (".csv", ".tsv") else "columns")
        return _READERS[chosen](file, columns=columns, limit=limit), chosen
    chosen = format or guess_format(file)
    return _READERS[chosen](file, limit=limit), chosen
