"""Records named on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onegrain.errors import ParameterError

if TYPE_CHECKING:
    from onegrain.records.curve import Curve
    from onegrain.records.ranking import Ranking

__all__ = ["curves_from", "named_rankings", "rankings_from"]


def rankings_from(paths: Sequence[str | Path]) -> dict[str, Ranking]:
    """Load rankings by the names of their files, with the folder where two files have one name."""
    from onegrain.records.ranking import Ranking

    return {name: Ranking.load(file) for name, file in _by_name(paths, "rankings").items()}


def curves_from(paths: Sequence[str | Path]) -> dict[str, Curve]:
    """Load curves by the names of their files, with the folder where two files have one name."""
    from onegrain.records.curve import Curve

    return {name: Curve.load(file) for name, file in _by_name(paths, "curves").items()}


def _by_name(paths: Sequence[str | Path], kind: str) -> dict[str, Path]:
    files = [Path(path) for path in paths]
    stems = [file.stem for file in files]
    names = [
        file.stem if stems.count(file.stem) == 1 else f"{file.resolve().parent.name}/{file.stem}"
        for file in files
    ]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ParameterError(f"two {kind} are named {', '.join(repeated)}; give their files different names")
    return dict(zip(names, files, strict=True))


def named_rankings(options: Sequence[str]) -> dict[str, Ranking]:
    """Load the rankings of options FILE or NAME=FILE; a file without a name is named by its stem."""
    from onegrain.records.ranking import Ranking

    rankings: dict[str, Ranking] = {}
    for option in options:
        before, equals, after = option.partition("=")
        is_pair = bool(equals) and not Path(option).exists()
        name, path = (before, after) if is_pair else (Path(option).stem, option)
        if name in rankings:
            raise ParameterError(f"two rankings are named {name!r}; name one of them, NAME=FILE")
        rankings[name] = Ranking.load(path)
    return rankings
