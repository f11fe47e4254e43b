"""Verbs whose help lists their options under headings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

__all__ = ["GroupedCommand", "VerbGroup"]

DEFAULT_HEADING = "Options"


class GroupedCommand(TyperCommand):
    """A command whose options are listed under the headings that they were declared with."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options without a heading, then one section for each heading."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], DEFAULT_HEADING: []}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is None:
                continue
            heading = getattr(parameter, "rich_help_panel", None) or DEFAULT_HEADING
            if parameter.param_type_name == "argument":
                heading = "Arguments"
            sections.setdefault(heading, []).append(row)
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


class VerbGroup(typer.Typer):
    """A Typer application that groups the options of its verbs and answers to ``-h``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(context_settings={"help_option_names": ["-h", "--help"]}, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a verb; see :meth:`typer.Typer.command`."""
        options.setdefault("cls", GroupedCommand)
        return super().command(name, **options)
