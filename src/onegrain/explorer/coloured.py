"""Words of a context as HTML, each on the diverging scale; pages have hundreds of them."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from onegrain.analyses.neurons.contexts import ContextWord
from onegrain.reports.rendering.heatmap import LIMIT
from onegrain.reports.rendering.levels import level
from onegrain.reports.rendering.numbers import number
from onegrain.reports.rendering.templates import shown

__all__ = ["coloured_words"]


def coloured_words(words: Iterable[ContextWord]) -> Markup:
    """Return words as coloured text with their values as tooltips; the word itself is always text.

    >>> print(coloured_words([ContextWord("<b>", 1.5, 3.0, True)]))
    <span class="w centre" data-level="20" title="+1.5, +3.00 standard deviations"><bdi>&lt;b&gt;</bdi></span>
    """
    return Markup(" ".join(map(_coloured_word, words)))


def _coloured_word(word: ContextWord) -> str:
    step = None if word.deviation is None else level(word.deviation, LIMIT)
    title = "no activation" if word.value is None else number(word.value, "+.4g")
    if word.deviation is not None:
        title += f", {word.deviation:+.2f} standard deviations"
    centre = " centre" if word.is_centre else ""
    colour = f' data-level="{step}"' if step else ""
    return f'<span class="w{centre}"{colour} title="{title}"><bdi>{shown(word.word)}</bdi></span>'
