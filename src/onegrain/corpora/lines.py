"""Readers of text with one sentence per line: plain, with label files, and with a parallel language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus

__all__ = ["label_files", "read_lines", "read_parallel", "read_plain"]

LabelFiles = Mapping[str, str | Path]


def label_files(labels: str | Path | LabelFiles | None) -> dict[str, Path]:
    """Return label files by layer name; a lone file names its layer by its suffix (``t.pos`` gives ``pos``)."""
    if labels is None:
        return {}
    if isinstance(labels, Mapping):
        return {name: Path(file) for name, file in labels.items()}
    return {Path(labels).suffix.lstrip(".") or "label": Path(labels)}


def read_plain(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read text with one sentence per line, split at white space; lines without words are skipped.

    Raises:
        CorpusError: see :func:`onegrain.corpora.text.open_text`.
    """
    file = open_text(path)
    sentences = [line.split() for line in file.lines]
    sentences = [sentence for sentence in sentences if sentence]
    return Corpus.from_sentences(sentences[:limit], source=str(file.path))


def read_lines(path: str | Path | TextFile, labels: LabelFiles, *, limit: int | None = None) -> Corpus:
    """Read text with one sentence per line, and label files that match it word by word.

    Words are split at spaces or tabs; spaces at the end of a line and repeated spaces are ignored.

    Raises:
        CorpusError: a line is blank, or words and labels differ in number; the message names file and line.
    """
    text = open_text(path)
    sentences = _split_all(text)
    layers: dict[str, Sequence[Sequence[str | None]]] = {}
    for name, file in labels.items():
        labelled = _split_all(open_text(file))
        _require_same_count(text.path, len(sentences), file, len(labelled))
        for number, (words, tags) in enumerate(zip(sentences, labelled, strict=True), start=1):
            if len(words) != len(tags):
                raise CorpusError(
                    f"{len(words)} words, but {len(tags)} labels in {file}:{number}; give each word a label",
                    text.path,
                    number,
                )
        layers[name] = labelled[:limit]
    return Corpus.from_sentences(sentences[:limit], layers, source=str(text.path))


def read_parallel(source: str | Path, target: str | Path, *, limit: int | None = None) -> Corpus:
    """Read two files that are translations of each other line by line; the second becomes ``target``.

    Words are split at white space.

    Raises:
        CorpusError: the files have different numbers of lines, or a line of one of them has no words; the
            message names the files and counts, or the line.
    """
    sides = [[line.split() for line in open_text(path).lines] for path in (source, target)]
    _require_same_count(source, len(sides[0]), target, len(sides[1]))
    for path, sentences in zip((source, target), sides, strict=True):
        _require_words(path, sentences, "remove this line from both files")
    parallel = Corpus.from_sentences(sides[1][:limit], source=str(target))
    return Corpus.from_sentences(sides[0][:limit], source=str(source), target=parallel)


def _split_all(file: TextFile) -> list[list[str]]:
    sentences = [[word for word in line.replace("\t", " ").split(" ") if word] for line in file.lines]
    _require_words(file.path, sentences, "word and label files hold one sentence on every line")
    return sentences


def _require_words(path: str | Path, sentences: Sequence[Sequence[str]], remedy: str) -> None:
    for number, sentence in enumerate(sentences, start=1):
        if not sentence:
            raise CorpusError(f"a blank line; {remedy}", path, number)


def _require_same_count(path: str | Path, count: int, other: str | Path, other_count: int) -> None:
    if count != other_count:
        raise CorpusError(
            f"{count} lines, but {other_count} in {other}; the files must match line by line", path
        )
