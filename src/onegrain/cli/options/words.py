"""The options by which a verb is told how a model reads words."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Aggregate", "BatchSize", "Long", "Side"]

Aggregate = Annotated[
    str, typer.Option("--aggregate", help="A word's value: last, first or mean of its subwords.")
]
Side = Annotated[
    str | None, typer.Option("--side", help="source or target words; as the sites are by default.")
]
Long = Annotated[
    str,
    typer.Option(
        "--long", help="Of a sentence longer than the model reads: error, truncate, or window (overlapping)."
    ),
]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Sentences in one forward pass, at most.")]
