"""The options by which a verb is told a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.pairs import split_pair

if TYPE_CHECKING:
    from onegrain.core.corpus import Corpus

__all__ = ["Columns", "Format", "Labels", "Limit", "Lower", "Target", "corpus_from"]

Labels = Annotated[
    list[str] | None,
    typer.Option("--labels", help="Label file parallel to a word file, LAYER=FILE; may be repeated."),
]
Format = Annotated[
    str | None, typer.Option("--format", help="conllu, lines, columns or plain; guessed by default.")
]
Columns = Annotated[
    str | None, typer.Option("--columns", help="Names of the columns of a column file, comma-separated.")
]
Target = Annotated[Path | None, typer.Option("--target", help="The parallel side, one sentence a line.")]
Lower = Annotated[bool, typer.Option("--lower", help="Lower-case the words.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Read at most so many sentences.")]


def corpus_from(
    path: Path,
    *,
    target: Path | None = None,
    labels: list[str] | None = None,
    format: str | None = None,
    columns: str | None = None,
    limit: int | None = None,
    lower: bool = False,
) -> Corpus:
    """Read the corpus that the options describe."""
    from onegrain.corpora import read_corpus, read_parallel
    from onegrain.errors import ParameterError

    if target is not None and (labels or format or columns):
        raise ParameterError("--target reads two plain files; leave out --labels, --format and --columns")
    if target is not None:
        corpus = read_parallel(path, target, limit=limit)
    else:
        files = dict(split_pair(pair, "--labels") for pair in labels or [])
        names = tuple(columns.split(",")) if columns else None
        corpus = read_corpus(path, labels=files or None, format=format, columns=names, limit=limit)
    return corpus.lower() if lower else corpus
