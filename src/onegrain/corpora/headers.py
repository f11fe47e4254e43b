"""The column names from which the content of a table's columns is recognised."""

from __future__ import annotations

from collections.abc import Sequence

from onegrain.errors import CorpusError

__all__ = ["SENTENCE_NAMES", "WORD_NAMES", "is_header", "roles"]

WORD_NAMES = ("word", "words", "token", "tokens", "form", "forms")
"""Names of the column of words; case does not matter."""

SENTENCE_NAMES = ("sentence", "sentence_id", "sent_id", "sentence #", "sent", "sid")
"""Names of the column that identifies sentences; case does not matter."""

_LABEL_NAMES = frozenset(
    [
        "pos",
        "upos",
        "xpos",
        "tag",
        "tags",
        "pos_tag",
        "pos_tags",
        "ner",
        "ner_tag",
        "ner_tags",
        "label",
        "labels",
        "chunk",
        "chunk_tag",
        "chunk_tags",
        "lemma",
        "feats",
        "feat",
        "deprel",
        "head",
        "id",
        "index",
        "bio",
        "iob",
        "entity",
        "supersense",
    ]
)
_UNNAMED = ("", "unnamed: 0")


def is_header(fields: Sequence[str]) -> bool:
    """Return True if the fields are a header: one names the words, and at least one is not a usual word."""
    names = [field.casefold() for field in fields]
    known = [name for name in names if name in _LABEL_NAMES or name in SENTENCE_NAMES or name in _UNNAMED]
    words = [name for name in names if name in WORD_NAMES]
    return len(words) == 1 and bool(known) and len(names) == len(set(names))


def roles(
    names: Sequence[str], columns: Sequence[str] | None, path: object = None
) -> tuple[int, int | None, dict[str, int]]:
    """Return the positions of the column of words, of that of sentences (or None), and of the label layers.

    Args:
        names: the table's columns.
        columns: names to use instead; ``word`` is the column of words, ``sentence`` identifies sentences, and
            ``_`` drops a column.
        path: the source of the table, for messages.

    Raises:
        CorpusError: no column or several hold words, several identify sentences, a name occurs twice, or the
            numbers of names and columns differ.
    """
    if columns is not None and len(columns) != len(names):
        raise CorpusError(f"{len(columns)} names of columns for {len(names)} columns: {', '.join(names)}", path)
    chosen = [str(name).strip() for name in (names if columns is None else columns)]
    kept = {
        position: name
        for position, name in enumerate(chosen)
        if name != "_" and name.casefold() not in _UNNAMED
    }
    listed = ", ".join(chosen)
    if len(set(kept.values())) != len(kept):
        raise CorpusError(f"a column is named twice: {listed}", path)
    words = [position for position, name in kept.items() if name.casefold() in WORD_NAMES]
    if len(words) != 1:
        raise CorpusError(
            f"{'no column holds' if not words else 'several columns hold'} words, by name "
            f"({', '.join(WORD_NAMES)}); "
            f"the columns are: {listed}. Name one of them word, and _ those to leave out (--columns, columns=)",
            path,
        )
    sentences = [position for position, name in kept.items() if name.casefold() in SENTENCE_NAMES]
    if len(sentences) > 1:
        raise CorpusError(f"several columns tell sentences apart: {listed}; drop one of them (_)", path)
    roles_taken = {*words, *sentences}
    layers = {name: position for position, name in kept.items() if position not in roles_taken}
    return words[0], (sentences[0] if sentences else None), layers
