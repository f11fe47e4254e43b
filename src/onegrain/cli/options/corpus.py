"""Options that name a corpus and its format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import note
from onegrain.cli.options.headings import CORPUS
from onegrain.cli.options.pairs import split_pair

if TYPE_CHECKING:
    from onegrain.records.corpus import Corpus

__all__ = [
    "Columns",
    "CorpusOptions",
    "FileOptions",
    "Format",
    "Labels",
    "Limit",
    "Lower",
    "Target",
    "corpus_from",
    "echo_corpus",
]

Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        help="Label file parallel to a word file, LAYER=FILE; may be repeated.",
        rich_help_panel=CORPUS,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of the corpus: conllu, conllup, conll2009, columns, csv, tsv, jsonl, pairs, lines, plain "
        "or text; guessed by default.",
        rich_help_panel=CORPUS,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Names of the columns of a column file or table, comma-separated; one is named word, and "
        "_ drops a column.",
        rich_help_panel=CORPUS,
    ),
]
Target = Annotated[
    Path | None,
    typer.Option("--target", help="File of the parallel side, one sentence per line.", rich_help_panel=CORPUS),
]
Lower = Annotated[bool, typer.Option("--lower", help="Lower-case the words.", rich_help_panel=CORPUS)]
Limit = Annotated[
    int | None, typer.Option("--limit", help="Largest number of sentences to read.", rich_help_panel=CORPUS)
]


@dataclass(frozen=True)
class FileOptions:
    """The options for reading one corpus file."""

    labels: Labels = None
    format: Format = None
    columns: Columns = None
    lower: Lower = False
    limit: Limit = None

    def read(self, path: Path) -> Corpus:
        """Read a corpus file, and note for standard error what was read."""
        return corpus_from(path, **self._reading())

    def read_sides(self, paths: list[Path]) -> Corpus:
        """Read a file, or two parallel ones; labels, format and columns are those of the last file.

        Raises:
            ParameterError: there are more than two files.
        """
        from onegrain.errors import ParameterError

        if len(paths) > 2:
            raise ParameterError(f"{len(paths)} files; give one, or source and target of a translation model")
        words = self.read(paths[-1])
        if len(paths) == 1:
            return words
        return corpus_from(paths[0], lower=self.lower, limit=self.limit).with_target(words)

    def _reading(self) -> dict[str, Any]:
        names = ("labels", "format", "columns", "lower", "limit")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class CorpusOptions(FileOptions):
    """The options for reading a corpus file, or two parallel files."""

    target: Target = None

    def read(self, path: Path) -> Corpus:
        """Read a corpus file and its parallel side, and note for standard error what was read."""
        return corpus_from(path, target=self.target, **self._reading())


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
    from onegrain.corpora import read_parallel
    from onegrain.corpora.readers import read_file
    from onegrain.errors import ParameterError

    if target is not None and (labels or format or columns):
        raise ParameterError("--target reads two plain files; leave out --labels, --format and --columns")
    if target is not None:
        corpus, read_as = read_parallel(path, target, limit=limit), "plain"
    else:
        names = tuple(columns.split(",")) if columns else None
        files = _label_files(labels or [])
        corpus, read_as = read_file(path, labels=files or None, format=format, columns=names, limit=limit)
    echo_corpus(corpus, read_as)
    return corpus.lower() if lower else corpus


def echo_corpus(corpus: Corpus, read_as: str) -> None:
    """Note for standard error what was read: format, counts, the labels of each layer, the first sentence."""
    note(f"read as {read_as}: {corpus.describe()}")


def _label_files(pairs: list[str]) -> dict[str, str]:
    from onegrain.errors import ParameterError

    files: dict[str, str] = {}
    for pair in pairs:
        layer, file = split_pair(pair, "--labels")
        if layer in files:
            raise ParameterError(f"--labels names the layer {layer!r} twice: {files[layer]} and {file}")
        files[layer] = file
    return files
