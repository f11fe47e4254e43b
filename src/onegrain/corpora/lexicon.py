"""Lexicons of the value of a property that words have: from a labelled corpus, or from the endings of words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from onegrain.core.options import require_count
from onegrain.errors import ParameterError
from onegrain.records.corpus import Corpus

__all__ = ["ending_lexicon", "value_lexicon"]


def value_lexicon(corpus: Corpus, layer: str, *, share: float = 0.9, min_count: int = 2) -> dict[str, str]:
    """Return the label of each word that nearly always has the same one, from a labelled corpus.

    Words with several labels are left out, and so are words that mostly have none: an article that is
    once tagged as a noun has no number.

    Args:
        corpus: a corpus with the label layer, such as the target side of a parallel one.
        layer: the layer, e.g. ``Number``.
        share: the least share of a word's tokens that have its label, above 0.5.
        min_count: the least number of a word's tokens.

    Raises:
        LabelError: the corpus lacks the layer.
        ParameterError: a number is out of range, or no word is left.

    >>> corpus = Corpus.from_sentences([["dogs", "dogs", "dog"]], {"Number": [["Plur", "Plur", "Sing"]]})
    >>> value_lexicon(corpus, "Number", min_count=1)
    {'dogs': 'Plur', 'dog': 'Sing'}
    """
    require_count("min_count", min_count)
    if not 0.5 < share <= 1.0:
        raise ParameterError(f"share must be above 0.5 and at most 1, got {share}")
    counts: dict[str, Counter[str | None]] = defaultdict(Counter)
    for word, label in zip(corpus.words, corpus.layer(layer).labels(), strict=True):
        counts[word][label] += 1
    lexicon = {}
    for word, labels in counts.items():
        (most, count), total = labels.most_common(1)[0], sum(labels.values())
        if most is not None and total >= min_count and count >= share * total:
            lexicon[word] = most
    if not lexicon:
        raise ParameterError(f"no word of {corpus.source} has one label of {layer!r} {min_count} times or more")
    return lexicon


def ending_lexicon(
    corpus: Corpus, endings: Mapping[str, str], *, min_count: int = 5, min_stem: int = 3
) -> dict[str, str]:
    """Return the value of each word whose ending shows it, from a corpus without labels.

    A word counts if its stem occurs with the ending of every value, so that ``chien`` is a singular because
    ``chiens`` occurs too. Words whose ending fits several values by different stems are left out.

    Args:
        corpus: a corpus of the words.
        endings: the ending of each value, e.g. ``{"Sing": "", "Plur": "s"}``.
        min_count: the least number of tokens of each form.
        min_stem: the least number of letters of a stem.

    Raises:
        ParameterError: fewer than two values, two equal endings, a number below 1, or no word is left.

    >>> corpus = Corpus.from_sentences([["le", "chien", "dort", "les", "chiens", "dorment"]])
    >>> ending_lexicon(corpus, {"Sing": "", "Plur": "s"}, min_count=1)
    {'chien': 'Sing', 'chiens': 'Plur'}
    """
    require_count("min_count", min_count)
    require_count("min_stem", min_stem)
    if len(endings) < 2 or len(set(endings.values())) < len(endings):
        raise ParameterError(f"endings needs two values or more with different endings, got {dict(endings)}")
    counts = Counter(corpus.words)
    frequent = {word for word, count in counts.items() if count >= min_count and word.isalpha()}
    values: dict[str, set[str]] = defaultdict(set)
    for word in counts:
        for ending in endings.values():
            stem = word.removesuffix(ending)
            forms = {stem + other: value for value, other in endings.items()}
            if word.endswith(ending) and len(stem) >= min_stem and set(forms) <= frequent:
                for form, value in forms.items():
                    values[form].add(value)
    lexicon = {word: next(iter(several)) for word, several in sorted(values.items()) if len(several) == 1}
    if not lexicon:
        raise ParameterError(
            f"no word of {corpus.source} occurs with every ending {min_count} times or more; lower min_count, "
            "or give other endings"
        )
    return lexicon
