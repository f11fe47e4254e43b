"""Judging a translation: whether it shows one value of a property, or the wanted one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

from onegrain.records.value_change import ValueChange

__all__ = ["Judge", "judge_of"]


class Judge(ABC):
    """Decides from the words of translations whether a value changed as wanted."""

    @abstractmethod
    def shows_value(self, sentence: int, words: Sequence[str]) -> bool:
        """Return True if a translation shows the value that its sentence has, so that it can change."""

    @abstractmethod
    def shows_wanted(self, sentence: int, before: Sequence[str], after: Sequence[str]) -> bool:
        """Return True if a translation that showed the value shows the wanted one after an edit."""

    @abstractmethod
    def elsewhere(self, sentence: int, words: Sequence[str]) -> list[str]:
        """Return the words of a translation that do not express the property."""


def judge_of(change: ValueChange) -> Judge:
    """Return the judge of a change: by the expected translations, or by a lexicon."""
    return _Exact(change) if change.expected is not None else _Lexicon(change)


class _Exact(Judge):
    """Compares how often each form that the property decides occurs with the right translations.

    The forms are the words that one of the two right translations of a sentence has more often than the other.
    """

    def __init__(self, change: ValueChange) -> None:
        assert change.expected is not None
        assert change.corpus.target is not None
        pairs = zip(change.corpus.target.sentences(), change.expected.sentences(), strict=True)
        self._standing: list[dict[str, int]] = []
        self._wanted: list[dict[str, int]] = []
        for standing, wanted in pairs:
            before, after = Counter(standing), Counter(wanted)
            forms = sorted((before - after) | (after - before))
            self._standing.append({form: before[form] for form in forms})
            self._wanted.append({form: after[form] for form in forms})

    def shows_value(self, sentence: int, words: Sequence[str]) -> bool:
        forms = self._standing[sentence]
        return bool(forms) and _counted(words, forms) == forms

    def shows_wanted(self, sentence: int, before: Sequence[str], after: Sequence[str]) -> bool:
        forms = self._wanted[sentence]
        return bool(forms) and _counted(after, forms) == forms

    def elsewhere(self, sentence: int, words: Sequence[str]) -> list[str]:
        return [word for word in words if word not in self._standing[sentence]]


class _Lexicon(Judge):
    """Counts the words of each value: the old value must lose a word, and the wanted one gain one."""

    def __init__(self, change: ValueChange) -> None:
        self._lexicon = change.lexicon or {}
        self._value, self._wanted = change.value, change.wanted

    def _count(self, words: Sequence[str], value: str) -> int:
        return sum(self._lexicon.get(word) == value for word in words)

    def shows_value(self, sentence: int, words: Sequence[str]) -> bool:
        return self._count(words, self._value) > 0

    def shows_wanted(self, sentence: int, before: Sequence[str], after: Sequence[str]) -> bool:
        lost = self._count(before, self._value) - self._count(after, self._value)
        gained = self._count(after, self._wanted) - self._count(before, self._wanted)
        return lost > 0 and gained > 0

    def elsewhere(self, sentence: int, words: Sequence[str]) -> list[str]:
        return [word for word in words if self._lexicon.get(word) not in (self._value, self._wanted)]


def _counted(words: Sequence[str], forms: dict[str, int]) -> dict[str, int]:
    counts = Counter(words)
    return {form: counts[form] for form in forms}
