"""Morphological features (the FEATS strings of Universal Dependencies) as label layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["NO_FEATURES", "feature_layers", "parse_feats"]

NO_FEATURES = "_"
"""What a FEATS string says when a word has no features."""


@lru_cache(maxsize=65536)
def parse_feats(feats: str) -> tuple[tuple[str, str], ...]:
    """Split a FEATS string into (key, value) pairs, in its order.

    Raises:
        ValueError: a part is not ``Key=Value``.

    >>> parse_feats("Number=Sing|Person=3")
    (('Number', 'Sing'), ('Person', '3'))
    """
    if feats == NO_FEATURES:
        return ()
    pairs = []
    for part in feats.split("|"):
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise ValueError(part)
        pairs.append((key, value))
    return tuple(pairs)


def feature_layers(feats: Sequence[Sequence[str]]) -> dict[str, list[list[str | None]]]:
    """Labels by feature key, keys sorted; a word without the key is unlabelled there.

    >>> feature_layers([["Number=Sing", "_"]])
    {'Number': [['Sing', None]]}
    """
    parsed = {word: dict(parse_feats(word)) for word in {word for sentence in feats for word in sentence}}
    layers = {}
    for key in sorted({key for pairs in parsed.values() for key in pairs}):
        value = {word: pairs.get(key) for word, pairs in parsed.items()}
        layers[key] = [[value[word] for word in sentence] for sentence in feats]
    return layers
