"""Readers of text with one sentence per line: plain, with label files, and with a parallel language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form

__all__ = ["label_files", "read_lines", "read_parallel", "read_plain", "read_text"]

LabelFiles = Mapping[str, str | Path]


def label_files(labels: str | Path | LabelFiles | None) -> dict[str, Path]:
    """Return label files by layer name; a lone file names its layer by its suffix (``t.pos`` gives ``pos``)."""
    if labels is None:
        return {}
    if isinstance(labels, Mapping):
        return {name: Path(file) for name, file in labels.items()}
    return {Path(labels).suffix.lstrip(".") or "label": Path(labels)}


def read_plain(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read text with one sentence per line, split at white space; lines without words separate documents.

    Raises:
        CorpusError: see :func:`onegrain.corpora.text.open_text`.
    """
    file = open_text(path)
    lines = [line.split() for line in file.lines]
    kept = [number for number, words in enumerate(lines) if words][:limit]
    documents = [number - place for place, number in enumerate(kept)]  # the number of blank lines before
    several = bool(kept) and documents[-1] > documents[0]
    return Corpus.from_sentences(
        [lines[number] for number in kept], source=str(file.path), document_of=documents if several else None
    )


def read_text(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read running text as it is: one document, whose white space is kept.

    Words are split at white space, and each line with words is a sentence. White space other than one space
    between two words belongs to the running text of the word after it, so that the text of the document, see
    :func:`onegrain.records.documents.documents_of`, is that of the file without white space at its end.

    Raises:
        CorpusError: see :func:`onegrain.corpora.text.open_text`.
    """
    file = open_text(path)
    sentences: list[list[str]] = []
    forms: list[list[Form]] = []
    lines_before = ""
    for line in file.lines:
        words = list(_WORD.finditer(line))
        if not words:
            lines_before += line + "\n"
            continue
        sentences.append([word.group(2) for word in words])
        forms.append(_forms(words, lines_before))
        lines_before = line[words[-1].end() :] + "\n"
    return Corpus.from_sentences(sentences[:limit], source=str(file.path), forms=forms[:limit])


_WORD = re.compile(r"(\s*)(\S+)")


def _forms(words: Sequence[re.Match[str]], before: str) -> list[Form]:
    """Return the running text of a line's words, after the white space between it and the line before."""
    gaps = [before + words[0].group(1), *(word.group(1) for word in words[1:])]
    spaced = [False, *(gap.startswith(" ") for gap in gaps[1:]), True]
    texts = [gap[space:] + word.group(2) for gap, space, word in zip(gaps, spaced[:-1], words, strict=True)]
    return [Form(text, space) for text, space in zip(texts, spaced[1:], strict=True)]


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
