"""Select sites of a model by patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from onegrain.core.patterns import match_sites, matches, names_part
from onegrain.errors import ModelError, ParameterError
from onegrain.models.sites import Side, SitePoint, module_point

__all__ = ["default_points", "require_distinct", "select_points"]


def default_points(points: Iterable[SitePoint], side: Side) -> list[SitePoint]:
    """Return the sites of one side that are read by default.

    For a transformer these are its residual stream, the output of every block; for an LSTM its embeddings,
    layers and attention.
    """
    complete = [point for point in points if not point.derived]
    residual = [point for point in complete if point.residual]
    return [point for point in residual or complete if point.side == side]


def select_points(
    model: nn.Module, points: Mapping[str, SitePoint], patterns: str | Iterable[str]
) -> list[SitePoint]:
    """Return the named sites that match the patterns, and the modules whose paths are among them.

    A site that is part of another, such as a head, or computed from one, such as latents, is left out unless a
    pattern names it: ``layers.0.heads.*`` does, ``layers.0.**`` does not.

    Raises:
        ModelError: a pattern matches no site, or only parts that it does not name.
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    modules = {name for name, _ in model.named_modules()}
    paths = [path for path in wanted if path in modules and path not in points]
    globs = [pattern for pattern in wanted if pattern not in paths]
    if globs and not points:
        raise ModelError(
            f"{type(model).__name__} has no named sites, and no module {globs[0]!r}; name a module by its full "
            "path, as onegrain show lists them"
        )
    names = match_sites(list(points), globs) if globs else []
    chosen = [points[name] for name in names if _is_meant(points[name], globs)]
    for pattern in globs:
        if not any(matches(pattern, point.name) for point in chosen):
            parts = [name for name in points if matches(pattern, name)]
            raise ModelError(
                f"{pattern!r} matches only parts of other sites, and these are read if a pattern names them; "
                f"write for example {parts[0]}"
            )
    return chosen + [module_point(model, path) for path in dict.fromkeys(paths)]


def require_distinct(points: Sequence[SitePoint]) -> None:
    """Raise ParameterError if two sites hold the same neurons, which would be counted twice."""
    for number, first in enumerate(points):
        for second in points[number + 1 :]:
            if first.overlaps(second):
                raise ParameterError(
                    f"the sites {first.name!r} and {second.name!r} hold the same neurons, which would count "
                    "twice; name only one of them"
                )


def _is_meant(point: SitePoint, patterns: Sequence[str]) -> bool:
    if not point.derived:
        return True
    return any(matches(pattern, point.name) and names_part(pattern, point.name) for pattern in patterns)
