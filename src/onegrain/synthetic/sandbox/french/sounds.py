"""Adapt French words to the word after them: elision (l', qu'), contraction (au, du), mon before a vowel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from onegrain.synthetic.sandbox.tokens import Token

__all__ = ["join_sounds", "starts_with_vowel"]

_VOWELS = "aeiouyàâéèêëîïôœùû"
_NOT_ELIDED = ("haricot", "hibou", "huit", "onze")
_ELIDED = {
    "le": "l'", "la": "l'", "de": "d'", "ne": "n'", "que": "qu'", "je": "j'", "me": "m'", "te": "t'",
}  # fmt: skip
_BEFORE_VOWEL = {"ma": "mon", "ta": "ton", "sa": "son", "ce": "cet"}
_CONTRACTED = {("à", "le"): "au", ("à", "les"): "aux", ("de", "le"): "du", ("de", "les"): "des"}


@lru_cache(maxsize=4096)
def starts_with_vowel(word: str) -> bool:
    """Return whether other words elide before this word: true of a silent h, false of "haricot" and "onze".

    >>> starts_with_vowel("homme"), starts_with_vowel("haricot"), starts_with_vowel("chien")
    (True, False, False)
    """
    return (word[0] in _VOWELS or word[0] == "h") and not word.startswith(_NOT_ELIDED)


def join_sounds(tokens: Sequence[Token]) -> list[Token]:
    """Apply elision and contraction to a sentence's tokens, from the last to the first."""
    joined: list[Token] = []
    for token in reversed(tokens):
        following = joined[-1] if joined else None
        if following is not None:
            token = _adapted(token, following)
            fused = _CONTRACTED.get((token.form, following.form)) if following.upos == "DET" else None
            if fused:
                joined.pop()
                token = Token(fused, "ADP", following.feats)
        joined.append(token)
    return joined[::-1]


def _adapted(token: Token, following: Token) -> Token:
    if token.form == "si" and following.form in ("il", "ils"):
        return token._replace(form="s'")
    if not starts_with_vowel(following.form):
        return token
    if token.form in _ELIDED and token.upos != "NOUN":
        return token._replace(form=_ELIDED[token.form])
    if token.upos == "DET" and token.form in _BEFORE_VOWEL:
        return token._replace(form=_BEFORE_VOWEL[token.form])
    return token
