"""Text heat maps: a neuron's values as colours behind the words, as HTML and for the terminal."""

from __future__ import annotations

import math

from onegrain.analyses.neurons.heat import Heat
from onegrain.core.text import visible
from onegrain.errors import ParameterError
from onegrain.reports.rendering.templates import render

__all__ = ["colour", "heatmap_html", "heatmap_text"]

HIGH = (213, 94, 0)
LOW = (0, 114, 178)
LIMIT = 3.0
"""Standard deviations at which the colour is strongest."""
STRONGEST = 0.8
NOTABLE = 1.0
"""In plain text, words this many standard deviations or more from the mean are marked."""


def colour(deviation: float, limit: float = LIMIT) -> tuple[int, int, int] | None:
    """Return the background of a deviation: towards orange above the mean, blue below; None for NaN."""
    if math.isnan(deviation):
        return None
    target = HIGH if deviation > 0 else LOW
    depth = STRONGEST * min(abs(deviation) / limit, 1.0)
    red, green, blue = (round(255 + depth * (part - 255)) for part in target)
    return red, green, blue


def _css(deviation: float, limit: float) -> str:
    background = colour(deviation, limit)
    return "" if background is None else "#{:02x}{:02x}{:02x}".format(*background)


def heatmap_html(heat: Heat, caption: str = "", *, limit: float = LIMIT) -> str:
    """Return sentences as HTML: each word on a coloured background, its value as tooltip, and a legend.

    Args:
        heat: one neuron over some sentences.
        caption: text after the neuron's name.
        limit: standard deviations at which the colour is strongest, above 0.

    Raises:
        ParameterError: limit is not above 0.
    """
    _require(limit)
    sentences = [
        {
            "number": sentence.number,
            "words": [
                {"text": word, "colour": _css(value, limit), "title": _title(value, heat.std)}
                for word, value in zip(sentence.words, sentence.deviations, strict=True)
            ],
        }
        for sentence in heat.sentences
    ]
    steps = (-limit, -limit / 2, 0.0, limit / 2, limit)
    legend = [{"text": f"{step:+.1f}" if step else "0", "colour": _css(step, limit)} for step in steps]
    return render("heatmap.html.j2", name=heat.name, caption=caption, sentences=sentences, legend=legend)


def _title(value: float, std: float) -> str:
    if math.isnan(value):
        return "no activation" if std > 0 else "constant neuron"
    return f"{value:+.2f} standard deviations"


def heatmap_text(heat: Heat, *, ansi: bool = False, limit: float = LIMIT) -> str:
    """Return sentences for a terminal, one per line.

    Args:
        heat: one neuron over some sentences.
        ansi: colour the words with 24-bit ANSI backgrounds; otherwise a word that is at least one standard
            deviation from the mean is followed by its deviation, as in ``dogs[+2.1]``.
        limit: standard deviations at which the colour is strongest, above 0.

    Raises:
        ParameterError: limit is not above 0.
    """
    _require(limit)
    lines = []
    for sentence in heat.sentences:
        shown = zip(sentence.words, sentence.deviations, strict=True)
        lines.append(" ".join(_ansi(w, v, limit) if ansi else _marked(w, v) for w, v in shown))
    return "\n".join(lines)


def _marked(word: str, value: float) -> str:
    return f"{visible(word)}[{value:+.1f}]" if abs(value) >= NOTABLE else visible(word)


def _ansi(word: str, value: float, limit: float) -> str:
    background = colour(value, limit)
    if background is None:
        return visible(word)
    return "\x1b[48;2;{};{};{}m\x1b[38;2;0;0;0m{}\x1b[0m".format(*background, visible(word))


def _require(limit: float) -> None:
    if not limit > 0:
        raise ParameterError(f"limit must be above 0 standard deviations, got {limit}")
