"""Morphological features (the FEATS strings of Universal Dependencies) as label layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["NO_FEATURES", "feature_layers", "parse_feats"]

_COLUMN_LAYERS = frozenset({"upos", "xpos", "feats", "deprel"})

NO_FEATURES = "_"
"""The FEATS string of a word without features."""


@lru_cache(maxsize=65536)
def parse_feats(feats: str) -> tuple[tuple[str, str], ...]:
    """Split a FEATS string into (key, value) pairs, in its order.

    Raises:
        ValueError: a part is not ``Key=Value``, a key is given twice, or a key has the name of a column.

    >>> parse_feats("Number=Sing|Person=3")
    (('Number', 'Sing'), ('Person', '3'))
    """
    if feats == NO_FEATURES:
        return ()
    pairs: dict[str, str] = {}
    for part in feats.split("|"):
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise ValueError(f"FEATS part {part!r} is not Key=Value; write _ for none")
        if key in pairs:
            raise ValueError(f"FEATS key {key!r} is given twice")
        if key in _COLUMN_LAYERS:
            raise ValueError(f"FEATS key {key!r} has the name of a column's layer; rename the key")
        pairs[key] = value
    return tuple(pairs.items())


def feature_layers(feats: Sequence[Sequence[str]]) -> dict[str, list[list[str | None]]]:
    """Return the labels by feature key, keys sorted; a word without the key is unlabelled there.

    >>> feature_layers([["Number=Sing", "_"]])
    {'Number': [['Sing', None]]}
    """
    parsed = {word: dict(parse_feats(word)) for word in {word for sentence in feats for word in sentence}}
    layers = {}
    for key in sorted({key for pairs in parsed.values() for key in pairs}):
        value = {word: pairs.get(key) for word, pairs in parsed.items()}
        layers[key] = [[value[word] for word in sentence] for sentence in feats]
    return layers
