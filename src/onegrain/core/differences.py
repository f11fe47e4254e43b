"""The differences between two texts, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

__all__ = ["Difference", "marked", "word_differences"]


@dataclass(frozen=True)
class Difference:
    """A stretch of two texts: equal words, or words that others replace.

    Attributes:
        before: the words of the first text; empty if words were added.
        after: the words of the second text; empty if words were removed.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """True if the words differ."""
        return self.before != self.after


def word_differences(before: Sequence[str], after: Sequence[str]) -> list[Difference]:
    """Return the stretches of two texts in their order; together they hold every word of both.

    The longest common stretches are kept, as :class:`difflib.SequenceMatcher` finds them.

    >>> word_differences("the dog sleeps".split(), "the dogs sleep".split())[1]
    Difference(before=('dog', 'sleeps'), after=('dogs', 'sleep'))
    """
    matcher = SequenceMatcher(None, list(before), list(after), autojunk=False)
    return [
        Difference(tuple(before[start:stop]), tuple(after[first:last]))
        for _, start, stop, first, last in matcher.get_opcodes()
    ]


def marked(differences: Sequence[Difference]) -> str:
    """Return both texts in one line, with ``[-removed-]`` and ``{+added+}`` words.

    >>> marked(word_differences("the dog sleeps .".split(), "the dogs sleep .".split()))
    'the [-dog sleeps-] {+dogs sleep+} .'
    """
    parts: list[str] = []
    for difference in differences:
        if not difference.changed:
            parts.append(" ".join(difference.before))
            continue
        if difference.before:
            parts.append(f"[-{' '.join(difference.before)}-]")
        if difference.after:
            parts.append(f"{{+{' '.join(difference.after)}+}}")
    return " ".join(parts)
