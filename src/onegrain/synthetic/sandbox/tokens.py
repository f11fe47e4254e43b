"""The token that the sandbox realisers emit: a word with its gold labels."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["Token", "feats"]


class Token(NamedTuple):
    """A word with its labels; an empty ``sense`` means that the supersense label is the UPOS tag."""

    form: str
    upos: str
    feats: str = "_"
    xpos: str = "_"
    sense: str = ""


@lru_cache(maxsize=4096)
def feats(**values: str) -> str:
    """Return a CoNLL-U FEATS string: keys in alphabetical order ignoring case, empty values left out.

    Without any value the result is ``_``.

    >>> feats(Number="Sing", Case="")
    'Number=Sing'
    """
    return "|".join(f"{key}={values[key]}" for key in sorted(values, key=str.lower) if values[key]) or "_"
