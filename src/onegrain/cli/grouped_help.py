"""Verbs whose help lists their options under headings, and that suggest the option a user may have meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["GroupedCommand", "SuggestingGroup", "VerbGroup", "first_paragraph"]

DEFAULT_HEADING = "Options"


class _Suggesting:
    """A mixin for commands that answer a mistyped option with the most similar one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; see the class of Typer that follows this one."""
        try:
            parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except Exception as error:  # Typer does not export the class of this error
            _suggest(error)
            raise
        return parsed


def _suggest(error: Any) -> None:
    """Replace the list of similar options in an error by a question about the most similar one."""
    possibilities = getattr(error, "possibilities", None)
    if possibilities:
        (closest,) = get_close_matches(error.option_name, possibilities, n=1) or possibilities[:1]
        error.message = f"{error.message}. Did you mean {closest!r}?"
        error.possibilities = None


class GroupedCommand(_Suggesting, TyperCommand):
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


class SuggestingGroup(_Suggesting, TyperGroup):
    """A group of commands that suggests options, and whose help is never cut short."""

    def summaries(self) -> dict[str, str]:
        """Return the first paragraph of the help of each command."""
        return {name: first_paragraph(command.help or "") for name, command in self.commands.items()}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first paragraph of its help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries().items()))


def first_paragraph(text: str) -> str:
    """Return the first paragraph of a help text on one line."""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


class VerbGroup(typer.Typer):
    """A Typer application that groups the options of its verbs and answers to ``-h``."""

    def __init__(self, **options: Any) -> None:
        settings: dict[str, Any] = {
            "cls": SuggestingGroup,
            "context_settings": {"help_option_names": ["-h", "--help"]},
            "add_completion": False,
            "pretty_exceptions_enable": False,
            "rich_markup_mode": None,
        }
        super().__init__(**{**settings, **options})

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a verb; see :meth:`typer.Typer.command`."""
        options.setdefault("cls", GroupedCommand)
        return super().command(name, **options)
