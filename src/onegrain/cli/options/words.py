"""Options for how a model reads words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from onegrain.cli.options.headings import WORDS

__all__ = ["Aggregate", "BatchSize", "Long", "Side", "WordOptions"]

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


@dataclass(frozen=True)
class WordOptions:
    """The options for how a model reads words."""

    aggregate: Aggregate = "last"
    side: Side = None
    long: Long = "error"
    batch_size: BatchSize = 64

    def arguments(self) -> dict[str, Any]:
        """Return the options as keywords of :func:`onegrain.extract` and :func:`onegrain.live_activations`."""
        names = ("aggregate", "side", "long", "batch_size")
        return {name: getattr(self, name) for name in names}
