"""Words, labels and file names for display: characters that act on a terminal or chart are escaped."""

from __future__ import annotations

import re

__all__ = ["visible"]

_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: line ends, tabs, the escape that begins a terminal sequence
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2066-\u2069"  # controls that turn the direction of the text behind them
    "\ud800-\udfff"  # halves of surrogate pairs, which no encoding can write
    "\ufdd0-\ufdef\ufffe\uffff]"  # code points that are not characters and that XML forbids
)


def visible(text: str) -> str:
    r"""Return a text with its control characters escaped, so that they reach no terminal or chart raw.

    Square brackets, colons, markup characters and everything that has a glyph stay as they are.

    >>> visible("[red]dog\x1b[0m\t:cat:")
    '[red]dog\\x1b[0m\\t:cat:'
    """
    return _ACTING.sub(_escape, text)


def _escape(character: re.Match[str]) -> str:
    return character.group().encode("unicode_escape", "surrogatepass").decode("ascii")
