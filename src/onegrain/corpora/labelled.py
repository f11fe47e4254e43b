"""Decide whether lines of several columns are words with labels, or sentences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import Enum

from onegrain.corpora.columns import Row

__all__ = ["Labelling", "looks_labelled"]

_CHUNK = re.compile(r"[BIESLUM]-\S+|O")
_BEGUN = re.compile(r"[BIESLUM]-\S+")
_CAPITALS = re.compile(r"(?![AI]$)[A-Z][A-Z0-9$+\-_:|.*]*|-[LR][RCS]B-")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SMALL = frozenset(
    [
        "noun",
        "verb",
        "adj",
        "adv",
        "adp",
        "det",
        "pron",
        "propn",
        "num",
        "aux",
        "cconj",
        "sconj",
        "part",
        "intj",
        "punct",
        "sym",
        "x",
        "pos",
        "neg",
        "yes",
        "no",
        "true",
        "false",
        "positive",
        "negative",
        "neutral",
        "per",
        "loc",
        "org",
        "misc",
        "o",
    ]
)
_SURE, _MOST, _HALF = 0.9, 0.8, 0.5
_FEW_LABELS, _MANY_LABELS, _ENOUGH_ROWS = 0.25, 0.7, 40


class Labelling(Enum):
    """The answer to whether lines hold words with labels."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


def looks_labelled(rows: Sequence[Row], width: int, share: float, *, grouped: bool) -> Labelling:
    """Decide whether lines without tabs hold words with labels.

    Labels differ from words in their form (``B-PER``, ``O``, capitals such as ``NN`` next to words that are not
    in capitals) or, if blank lines group the lines, in their number: the last column has few values and the
    first many. If the last column has almost as many values as the first, the lines are sentences.

    Args:
        rows: the lines.
        width: the number of columns that most of them have.
        share: the share of lines with this number.
        grouped: True if blank lines separate groups of lines, with more than one line per group on average.
    """
    if width == 1:
        return Labelling.UNSURE if grouped and share == 1 else Labelling.NO
    full = [row.fields for row in rows if len(row.fields) == width and not row.fields[0].startswith("#")]
    if not full:
        return Labelling.NO
    last = _without_marks([fields[-1] for fields in full])
    chunks = _share(_CHUNK, last) if any(_BEGUN.fullmatch(value) for value in last) else 0.0
    capitals = [
        _share(_CAPITALS, _without_marks([fields[column] for fields in full])) for column in range(width)
    ]
    if share < 1:
        ragged = chunks >= _MOST and share >= _HALF
        shaped = grouped and len(full) >= 4 and min(capitals[1:]) >= _SURE and capitals[0] <= _HALF
        return Labelling.YES if ragged or (shaped and share >= _MOST) else Labelling.NO
    if chunks >= _MOST:
        return Labelling.YES
    if capitals[-1] >= _SURE and len(full) >= 2:
        sure = len(full) >= 3 and min(capitals[1:]) >= _SURE and capitals[0] <= _HALF
        return Labelling.YES if sure else Labelling.UNSURE
    if len(full) >= 3 and capitals[0] >= _SURE:
        return Labelling.UNSURE
    if len(full) >= 2 and last and _share(_NUMBER, last) >= _SURE:
        return Labelling.UNSURE
    if len(full) >= 3 and last and sum(value.casefold() in _SMALL for value in last) >= _SURE * len(last):
        return Labelling.YES if grouped else Labelling.UNSURE
    return _by_number(full, last) if grouped and last else Labelling.NO


def _by_number(full: Sequence[Sequence[str]], last: Sequence[str]) -> Labelling:
    first = [fields[0] for fields in full]
    alike = sum(
        a.casefold() == b.casefold() for a, b in zip(first, (fields[-1] for fields in full), strict=True)
    )
    ratio = len(set(last)) / len(set(first))
    if alike > 0.2 * len(full):
        return Labelling.UNSURE
    if ratio <= _FEW_LABELS and len(full) >= _ENOUGH_ROWS:
        return Labelling.YES
    return Labelling.NO if ratio >= _MANY_LABELS else Labelling.UNSURE


def _without_marks(values: Sequence[str]) -> list[str]:
    """Return the values that contain a letter or digit; punctuation can be a label as well as a word."""
    return [value for value in values if any(unicodedata.category(c)[0] in "LN" for c in value)]


def _share(pattern: re.Pattern[str], values: Sequence[str]) -> float:
    return sum(pattern.fullmatch(value) is not None for value in values) / len(values) if values else 0.0
