"""Verbs that are built when they are first used, so that a command and the list of verbs start fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer.main

from onegrain.cli.grouped_help import GroupedCommand, SuggestingGroup, VerbGroup, first_paragraph

__all__ = ["LazyCommands", "RootGroup", "build_verb"]


class LazyCommands(Mapping[str, Any]):
    """A mapping from the name of a verb to its command, which is built when it is first asked for.

    Attributes:
        summaries: name of a verb -> first paragraph of its help.
    """

    def __init__(self) -> None:
        self.summaries: dict[str, str] = {}
        self._builders: dict[str, Callable[[], Any]] = {}
        self._commands: dict[str, Any] = {}

    def add(self, name: str, help: str, build: Callable[[], Any]) -> None:
        """Add a verb with its help text and the function that builds its command."""
        self.summaries[name] = first_paragraph(help)
        self._builders[name] = build

    @property
    def built(self) -> list[str]:
        """Names of the verbs that are built."""
        return list(self._commands)

    def __getitem__(self, name: str) -> Any:
        if name not in self._commands:
            self._commands[name] = self._builders[name]()
        return self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._builders)

    def __len__(self) -> int:
        return len(self._builders)


class RootGroup(SuggestingGroup):
    """The command ``onegrain``, whose help lists the verbs without building them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the verbs."""
        return list(self.commands)

    def summaries(self) -> dict[str, str]:
        """Return the first paragraph of the help of each verb."""
        commands: Any = self.commands
        summaries: dict[str, str] = commands.summaries
        return summaries


def build_verb(name: str, function: Callable[..., None], command_class: type[GroupedCommand]) -> Any:
    """Return the command of a verb."""
    application = VerbGroup()
    application.command(name, cls=command_class)(function)
    return typer.main.get_command(application)
