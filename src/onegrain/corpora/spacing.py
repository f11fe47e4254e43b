"""The forms of a CoNLL-U sentence's words in running text, from SpaceAfter=No and multiword tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onegrain.records.running_text import Form

__all__ = ["MultiwordToken", "forms_of"]

FORM, MISC = 1, 9


@dataclass(frozen=True)
class MultiwordToken:
    """A multiword token: words ``first`` to ``last`` (counted from 1) are written together as one form."""

    first: int
    last: int
    form: str
    misc: str

    @classmethod
    def of(cls, row: Sequence[str]) -> MultiwordToken:
        """Return the token of a row whose ID is a range, ``3-4``."""
        first, _, last = row[0].partition("-")
        return cls(int(first), int(last), row[FORM], row[MISC])


def forms_of(rows: Sequence[Sequence[str]], tokens: Sequence[MultiwordToken]) -> list[Form]:
    """Return the form of each word of a sentence in running text.

    A space follows every word except those with ``SpaceAfter=No`` in the MISC column. The words of a multiword
    token have no space between them, and the MISC column of the token decides whether a space follows it. If
    the words together spell the form of the token, ignoring case, each gets its part of the form (``do`` and
    ``n't`` of ``don't``); otherwise the first word gets all of it (``de`` and ``le`` for ``du``).
    """
    forms = [Form(row[FORM], _spaced(row[MISC])) for row in rows]
    for token in tokens:
        inside = slice(token.first - 1, token.last)
        texts = _parts(token.form, [row[FORM] for row in rows[inside]])
        forms[inside] = [Form(text, False) for text in texts[:-1]] + [Form(texts[-1], _spaced(token.misc))]
    return forms


def _spaced(misc: str) -> bool:
    return "SpaceAfter=No" not in misc.split("|")


def _parts(form: str, words: Sequence[str]) -> list[str]:
    """Return the part of a form that each word spells, or all of it for the first if they do not spell it."""
    if "".join(words).casefold() != form.casefold() or sum(map(len, words)) != len(form):
        return [form] + [""] * (len(words) - 1)
    parts, start = [], 0
    for word in words:
        parts.append(form[start : start + len(word)])
        start += len(word)
    return parts
