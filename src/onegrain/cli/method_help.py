"""The help of ``onegrain rank METHOD``, which lists the parameters of the method."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from onegrain.cli.grouped_help import GroupedCommand

__all__ = ["RankCommand"]

ARGUMENTS = "onegrain.arguments"


class RankCommand(GroupedCommand):
    """The verb ``rank``, whose help ends with the parameters of the methods that stand before ``--help``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; remember them for the help, which is written before they are assigned."""
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each method among the arguments."""
        from onegrain.rankings.registry import METHODS

        first = next((text for text in ctx.meta.get(ARGUMENTS, []) if not text.startswith("-")), "")
        for name in dict.fromkeys(first.split(",")):
            if name and name in METHODS:
                _write_parameters(name, METHODS[name].options, formatter)


def _write_parameters(name: str, options: type, formatter: Any) -> None:
    """Write the parameters of a method with their types and defaults."""
    with formatter.section(f"Parameters of {name} (--set NAME=VALUE)"):
        rows = [(field.name, f"{field.type}  [default: {_default(field)}]") for field in fields(options)]
        if rows:
            formatter.write_dl(rows)
        else:
            formatter.write_text("none")


def _default(field: Any) -> str:
    value = field.default if field.default_factory is MISSING else field.default_factory()
    return "none" if value is None else str(value)
