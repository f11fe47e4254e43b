"""Options that choose sites, neurons, labels and words."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["K", "LabelLayer", "LabelName", "MinCount", "Neurons", "RandomOrders", "Sites", "WordCount"]

Sites = Annotated[
    list[str] | None,
    typer.Option(
        "--sites",
        "-s",
        help="Glob pattern of site names (* matches within one part, ** across dots), or a module path; may be "
        "repeated.",
    ),
]
LabelLayer = Annotated[
    str | None,
    typer.Option("--label", "-l", help="Label layer; by default the layer of the rankings, if they have one."),
]
LabelName = Annotated[
    str | None, typer.Option("--label", "-l", help="Label whose own order of neurons is used.")
]
Neurons = Annotated[
    list[str] | None,
    typer.Option("--neuron", "--neurons", help="Neuron to include, SITE:UNIT; may be repeated."),
]
K = Annotated[
    int | None,
    typer.Option("--k", "-k", help="Number of neurons in a top set; by default 10 or 1 %, the larger."),
]
WordCount = Annotated[int, typer.Option("--n", "-n", help="Number of words in each direction.")]
MinCount = Annotated[int, typer.Option("--min-count", help="Smallest number of occurrences of a word.")]
RandomOrders = Annotated[int, typer.Option("--random-orders", help="Number of random orders.")]
