"""Reader of CoNLL-U Plus, whose first line names the columns: those of CoNLL-U and others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from onegrain.corpora.conllu import COLUMNS, read_conllu
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus, LabelLayer

__all__ = ["plus_columns", "read_conllup"]

_DECLARATION = re.compile(r"#\s*global\.columns\s*=\s*(.*)")


def plus_columns(file: TextFile) -> list[str] | None:
    """Return the columns that the first line of a CoNLL-U Plus file names, or None if it names none."""
    declared = _DECLARATION.match(file.lines[0])
    return None if declared is None else declared.group(1).split()


def read_conllup(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read a CoNLL-U Plus file, whose first line names its columns: ``# global.columns = ID FORM UPOS``.

    The columns of CoNLL-U are read as in CoNLL-U, see :func:`onegrain.corpora.conllu.read_conllu`; each other
    column gives a layer with its name, in which ``_`` means no label. A file without IDs has no multiword
    tokens.

    Raises:
        CorpusError: the first line does not name the columns, FORM is missing, a line has another number of
            columns, or a column has the name of another layer. The message names file and line.
    """
    file = open_text(path)
    names = plus_columns(file)
    if names is None:
        raise CorpusError("expected '# global.columns = ...' with the names of the columns", file.path, 1)
    if names.count("FORM") != 1 or len(set(names)) != len(names):
        raise CorpusError(f"the columns must name FORM, and none twice: {' '.join(names)}", file.path, 1)
    rows = list(_rows(file, names))
    corpus = read_conllu(TextFile(file.path, _as_conllu(rows)), limit=limit)
    words = [row for row in rows if row is not None and row["ID"].isdecimal()][: corpus.n_words]
    for name in names:
        labels = [row[name] for row in words]
        if name in COLUMNS or all(label == "_" for label in labels):
            continue
        if name in corpus.layers:
            raise CorpusError(f"the column {name!r} has the name of another layer; rename it", file.path, 1)
        known = [None if label == "_" else label for label in labels]
        corpus = corpus.with_layer(LabelLayer.from_labels(name, known))
    return corpus


def _rows(file: TextFile, names: Sequence[str]) -> Iterator[dict[str, str] | None]:
    """Yield the columns of each line by name; a blank line has an empty ID, and a comment gives None."""
    position = 0
    for number, line in enumerate(file.lines, start=1):
        if not line.strip():
            position = 0
            yield {"ID": ""}
            continue
        if line.startswith("#"):
            yield None
            continue
        fields = line.split("\t")
        if len(fields) != len(names):
            raise CorpusError(
                f"expected {len(names)} tab-separated columns ({' '.join(names)}), found {len(fields)}",
                file.path,
                number,
            )
        position += 1
        yield {"ID": str(position), **dict(zip(names, fields, strict=True))}


def _as_conllu(rows: Sequence[dict[str, str] | None]) -> list[str]:
    """Return the lines of the same words in CoNLL-U, line by line."""
    lines = []
    for row in rows:
        if row is None:
            lines.append("#")
        else:
            lines.append("\t".join(row.get(name, "_") for name in COLUMNS) if row["ID"] else "")
    return lines
