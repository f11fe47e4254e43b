"""Generate corpora of the sandbox language: any number of sentences, or disjoint parts with held-out text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onegrain.errors import ParameterError
from onegrain.records.corpus import Corpus
from onegrain.records.features import feature_layers
from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.english import say_english
from onegrain.synthetic.sandbox.french.sentences import say_french
from onegrain.synthetic.sandbox.german.sentences import say_german
from onegrain.synthetic.sandbox.grammar import draw_sentence
from onegrain.synthetic.sandbox.meaning import Sentence
from onegrain.synthetic.sandbox.tokens import Token

__all__ = [
    "LANGUAGES",
    "SAY",
    "SandboxParts",
    "build_corpus",
    "require_sandbox",
    "sandbox",
    "sandbox_parts",
    "side_of",
]

SAY: dict[str, Callable[[Sentence], list[Token]]] = {"en": say_english, "fr": say_french, "de": say_german}
"""By language, the function that turns a meaning into words."""

LANGUAGES = tuple(SAY)
"""The languages of the sandbox: English, French and German."""


@dataclass(frozen=True)
class SandboxParts:
    """Sandbox text for several models; no sentence is in two of these corpora.

    Attributes:
        train: one corpus per model.
        valid: held-out sentences for validation during training.
        test: held-out sentences for evaluation.
    """

    train: tuple[Corpus, ...]
    valid: Corpus
    test: Corpus


def sandbox(n_sentences: int, *, seed: int = 0, language: str = "en", parallel: str | None = None) -> Corpus:
    """Generate sandbox text; sentences may occur several times, as in real text.

    English has the layers ``upos``, ``xpos`` (Penn tags), ``feats`` and ``supersense``, which label every word,
    and one for every feature key (``Number``, ``Tense``, ``Person``, ``Gender``, ...), in which words without
    the feature are unlabelled. French and German have ``upos``, ``feats`` and the feature keys. Words are in
    lower case; sentences end in ``.`` or ``?``. The same English sentence always has the same translations, and
    a seed gives the same corpus in every process; a longer corpus begins with the shorter one.

    Args:
        n_sentences: number of sentences, 1 or more.
        seed: random seed, 0 or more.
        language: ``en``, ``fr`` or ``de``.
        parallel: the language of the parallel side ``target``; None for none.

    Raises:
        ParameterError: an unknown language, the same language twice, or an impossible number.

    >>> corpus = sandbox(2, parallel="fr")
    >>> corpus.n_sentences, corpus.target.n_sentences
    (2, 2)
    """
    require_sandbox(language, parallel, seed, n_sentences=n_sentences)
    dice = Dice(seed)
    meanings = [draw_sentence(dice) for _ in range(n_sentences)]
    return build_corpus(meanings, language, parallel, f"sandbox(seed={seed})")


def sandbox_parts(
    parts: int = 3,
    sentences: int = 4000,
    held_out: int = 500,
    *,
    seed: int = 0,
    language: str = "en",
    parallel: str | None = "fr",
) -> SandboxParts:
    """Generate disjoint training parts with held-out validation and test text.

    Every English sentence occurs once in all parts together, so held-out sentences are not in a training part.

    Args:
        parts: number of training corpora.
        sentences: number of sentences in each.
        held_out: number of sentences of the validation corpus, and of the test corpus.
        seed: random seed, 0 or more.
        language: ``en``, ``fr`` or ``de``.
        parallel: the language of the parallel side ``target``; None for none.

    Raises:
        ParameterError: as for :func:`sandbox`.
    """
    require_sandbox(language, parallel, seed, parts=parts, sentences=sentences, held_out=held_out)
    unique = _distinct(Dice(seed), parts * sentences + 2 * held_out)
    order = np.random.default_rng(seed).permutation(len(unique))
    starts = [0, held_out, *(2 * held_out + part * sentences for part in range(parts + 1))]
    names = ["valid", "test", *(f"train {part}" for part in range(parts))]
    corpora = [
        build_corpus(
            [unique[index] for index in order[start:stop]], language, parallel, f"sandbox(seed={seed}, {name})"
        )
        for name, start, stop in zip(names, starts[:-1], starts[1:], strict=True)
    ]
    return SandboxParts(tuple(corpora[2:]), corpora[0], corpora[1])


def _distinct(dice: Dice, count: int) -> list[Sentence]:
    """Draw ``count`` meanings whose English sentences all differ."""
    seen: set[tuple[str, ...]] = set()
    meanings: list[Sentence] = []
    while len(meanings) < count:
        meaning = draw_sentence(dice)
        words = tuple(token.form for token in say_english(meaning))
        if words not in seen:
            seen.add(words)
            meanings.append(meaning)
    return meanings


def build_corpus(meanings: Sequence[Sentence], language: str, parallel: str | None, source: str) -> Corpus:
    """Return the sentences of some meanings, with their translations if there is a parallel language."""
    target = None if parallel is None else _side(meanings, parallel, source)
    return _side(meanings, language, source, target)


def _side(meanings: Sequence[Sentence], language: str, source: str, target: Corpus | None = None) -> Corpus:
    return side_of([SAY[language](meaning) for meaning in meanings], language, source, target=target)


def side_of(
    sentences: Sequence[Sequence[Token]],
    language: str,
    source: str,
    others: Mapping[str, Sequence[Sequence[str]]] | None = None,
    target: Corpus | None = None,
) -> Corpus:
    """Return the corpus of sentences of one language, with the layers of :func:`sandbox` and some others."""
    feats = [[token.feats for token in tokens] for tokens in sentences]
    layers: dict[str, Sequence[Sequence[str | None]]] = {
        "upos": [[token.upos for token in tokens] for tokens in sentences],
        "feats": feats,
        **feature_layers(feats),
    }
    if language == "en":
        layers["xpos"] = [[token.xpos for token in tokens] for tokens in sentences]
        layers["supersense"] = [[token.sense or token.upos for token in tokens] for tokens in sentences]
    words = [[token.form for token in tokens] for tokens in sentences]
    return Corpus.from_sentences(
        words, {**layers, **(others or {})}, source=f"{source}.{language}", target=target
    )


def require_sandbox(language: str, parallel: str | None, seed: int, **counts: int) -> None:
    """Raise ParameterError if a language does not exist or is named twice, or a number is impossible."""
    for name in (language, parallel):
        if name is not None and name not in LANGUAGES:
            raise ParameterError(f"no sandbox language {name!r}; the languages are: {', '.join(LANGUAGES)}")
    if language == parallel:
        raise ParameterError(f"language and parallel are both {language!r}; name two different languages")
    if seed < 0:
        raise ParameterError(f"seed must be 0 or more, got {seed}")
    for name, count in counts.items():
        if count < 1:
            raise ParameterError(f"{name} must be 1 or more, got {count}")
