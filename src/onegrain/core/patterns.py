"""Patterns of site names: which sites a glob names, so that no neuron is named twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from onegrain.errors import ModelError

__all__ = ["PARTS", "match_sites", "matches", "names_part", "part_of", "some_of"]

MOST_NAMED = 40

PARTS = ("heads", "forward", "backward", "latents", "gate", "up")
"""Parts of the names of sites that are a part of another site's value, or are computed from it."""


def match_sites(names: Sequence[str], patterns: str | Iterable[str] | None) -> list[str]:
    """Return the site names that match any of the glob patterns, in the order of ``names``.

    A ``*`` stays inside one part of a dotted name and ``**`` crosses dots. ``None`` matches every site. A site
    that is a part of another that matches is left out unless a pattern names it. A pattern that matches nothing
    is an error that lists the sites.

    >>> match_sites(["embeddings", "layers.0", "layers.0.mlp", "layers.1"], "layers.*")
    ['layers.0', 'layers.1']
    >>> match_sites(["layers.0", "layers.0.mlp", "layers.0.latents"], "layers.**")
    ['layers.0', 'layers.0.mlp']
    """
    if patterns is None:
        return list(names)
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in wanted:
        if not any(matches(pattern, name) for name in names):
            crossing = any(fnmatchcase(name, pattern) for name in names)
            hint = "; a * stays between two dots, ** crosses them" if crossing else ""
            raise ModelError(f"no site matches {pattern!r}{hint}; the sites are: {some_of(names)}")
    chosen = [name for name in names if any(matches(pattern, name) for pattern in wanted)]
    kept = set(chosen)
    return [
        name
        for name in chosen
        if part_of(name) not in kept
        or any(matches(pattern, name) and names_part(pattern, name) for pattern in wanted)
    ]


def matches(pattern: str, name: str) -> bool:
    """Return whether a site name matches a glob pattern, case included.

    >>> matches("layers.*", "layers.0"), matches("layers.*", "layers.0.mlp"), matches("**", "layers.0.mlp")
    (True, False, True)
    """
    return pattern == name or _compiled(pattern).fullmatch(name) is not None


def names_part(pattern: str, name: str) -> bool:
    """Return True if a pattern that matches a part of another site names such parts itself.

    >>> names_part("layers.*.heads.*", "layers.0.heads.1"), names_part("layers.**", "layers.0.heads.1")
    (True, False)
    """
    means = [part for part in name.split(".") if part in PARTS]
    return pattern == name or any(part in means for part in pattern.split("."))


def part_of(name: str) -> str | None:
    """Return the site of which a site is a part by its name, or None.

    >>> part_of("encoder.layers.0.forward"), part_of("layers.0.mlp")
    ('encoder.layers.0', None)
    """
    site, _, last = name.rpartition(".")
    return site if site and last in PARTS else None


def some_of(names: Sequence[str]) -> str:
    """Return the names, separated by commas; of very many the first."""
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown}, ... ({len(names)} in all)"


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    expression = ""
    for part in re.findall(r"\*\*+|\*|\?|\[!?\]?[^\]]*\]|.", pattern, re.DOTALL):
        if part.startswith("**"):
            expression += ".*"
        elif part == "*":
            expression += "[^.]*"
        elif part == "?":
            expression += "[^.]"
        elif len(part) > 1:
            inside = part[1:-1].replace("\\", r"\\")
            expression += f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
        else:
            expression += re.escape(part)
    return re.compile(expression, re.DOTALL)
