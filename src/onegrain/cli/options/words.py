"""Options for how a model reads words."""

from __future__ import annotations

from typing import Annotated

import typer

from onegrain.cli.options.headings import WORDS

__all__ = ["Aggregate", "BatchSize", "Long", "Side"]

Aggregate = Annotated[
    str,
    typer.Option(
        "--aggregate", help="Value of a word: last, first or mean of its subwords.", rich_help_panel=WORDS
    ),
]
Side = Annotated[
    str | None,
    typer.Option(
        "--side", help="Words to read, source or target; by default those of the sites.", rich_help_panel=WORDS
    ),
]
Long = Annotated[
    str,
    typer.Option(
        "--long",
        help="Treatment of sentences longer than the model reads: error, truncate or window (overlapping).",
        rich_help_panel=WORDS,
    ),
]
BatchSize = Annotated[
    int,
    typer.Option("--batch-size", "-b", help="Largest number of sentences in a batch.", rich_help_panel=WORDS),
]
