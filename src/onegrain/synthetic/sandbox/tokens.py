"""The token that the sandbox realisers emit: a word with its gold labels."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["Token", "feats"]


class Token(NamedTuple):
    """A word with its labels; ``sense`` is empty where the supersense is the UPOS itself."""

    form: str
    upos: str
    feats: str = "_"
    xpos: str = "_"
    sense: str = ""


@lru_cache(maxsize=4096)
def feats(**values: str) -> str:
    """A FEATS string, keys in alphabetical order without regard to case, empty values left out.

    >>> feats(Number="Sing", Case="")
    'Number=Sing'
    """
    return "|".join(f"{key}={values[key]}" for key in sorted(values, key=str.lower) if values[key]) or "_"
