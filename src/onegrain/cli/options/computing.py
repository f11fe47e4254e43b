"""Options for memory, device and random seed."""

from __future__ import annotations

from typing import Annotated

import typer

from onegrain.cli.options.headings import COMPUTING

__all__ = ["Device", "Memory", "Seed"]

Device = Annotated[
    str | None,
    typer.Option(
        "--device", "-d", help="Device to compute on, such as cpu or cuda.", rich_help_panel=COMPUTING
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        help="Memory limit of the process, such as 4GiB; by default the memory that is free.",
        rich_help_panel=COMPUTING,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Random seed.", rich_help_panel=COMPUTING)]
