from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from onegrain.cli.options.groups import with_groups

Size = Annotated[int, typer.Option("--size", "-s", help="Size.")]


@dataclass(frozen=True)
class Shape:
    size: Size = 3
    names: Annotated[list[str] | None, typer.Option("--name", help="Name.")] = None


@dataclass(frozen=True)
class Solid(Shape):
    height: Annotated[float, typer.Option(help="Height.")] = 1.5


def application() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_groups
    def build(
        place: Annotated[str, typer.Argument(help="Place.")],
        *,
        solid: Solid,
        colour: Annotated[str, typer.Option(help="Colour.")] = "red",
    ) -> None:
        """Build a solid."""
        print(place, solid, colour)

    return app


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["here"], f"here {Solid()} red"),
        (["here", "-s", "4", "--height", "2", "--colour", "blue"], f"here {Solid(4, None, 2.0)} blue"),
        (["--name", "a", "here", "--name", "b"], f"here {Solid(3, ['a', 'b'])} red"),
    ],
)
def test_a_verb_receives_its_options_as_a_group(arguments: list[str], expected: str) -> None:
    assert CliRunner().invoke(application(), arguments).output.strip() == expected


def test_the_help_lists_the_options_of_a_group_in_order() -> None:
    text = CliRunner().invoke(application(), ["--help"]).output
    assert "Build a solid." in text
    places = [text.index(option) for option in ("--size", "--name", "--height", "--colour")]
    assert places == sorted(places)
    assert "--solid" not in text
