"""Options for the lines, numbers and random orders of ablations and sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.options.computing import Seed
from onegrain.cli.options.headings import ABLATION
from onegrain.cli.options.metric import Counts, MaxErased, Steps, counts_from
from onegrain.cli.options.neurons import RandomOrders

if TYPE_CHECKING:
    from onegrain.interventions import StopWhen
    from onegrain.records.corpus import Corpus

__all__ = ["GridOptions", "Pairs", "StopOptions", "pairs_from", "reference_identity"]

Lines = Annotated[
    str,
    typer.Option(
        "--lines",
        help="Which neurons are edited, comma-separated: the first (top), the last (bottom), random ones, or "
        "all but the first (keep).",
        rich_help_panel=ABLATION,
    ),
]
Shares = Annotated[
    str | None,
    typer.Option(
        "--shares",
        help="Parts of all neurons, comma-separated, such as 0.05,0.1, in place of the default numbers.",
        rich_help_panel=ABLATION,
    ),
]
Every = Annotated[
    int | None,
    typer.Option(
        "--every",
        help="Distance of evenly spaced numbers of neurons; 50 gives 0, 50, 100, ...",
        rich_help_panel=ABLATION,
    ),
]
Match = Annotated[
    str,
    typer.Option(
        "--match",
        help="Random orders: with as many neurons of each site as the ranking's first have (site), of like "
        "change as well (size, needs --reference), or not matched (none).",
        rich_help_panel=ABLATION,
    ),
]
Pairs = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        help="Text whose sentence i is the pair of sentence i, for interchange.",
        rich_help_panel=ABLATION,
    ),
]


@dataclass(frozen=True)
class GridOptions:
    """The options for which neurons are edited, and how many."""

    lines: Lines = "top,bottom,random"
    steps: Steps = 20
    counts: Counts = None
    shares: Shares = None
    every: Every = None
    max_erased: MaxErased = None
    random_orders: RandomOrders = 5
    match: Match = "site"
    seed: Seed = 0

    def arguments(self) -> dict[str, Any]:
        """Return the options as keywords of :func:`onegrain.ablate` and :func:`onegrain.sweep`."""
        return {
            "lines": [line.strip() for line in self.lines.split(",")],
            "steps": self.steps,
            "counts": counts_from(self.counts),
            "shares": _shares_from(self.shares),
            "every": self.every,
            "max_erased": self.max_erased,
            "random_orders": self.random_orders,
            "match": self.match,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class StopOptions:
    """The options for a sweep that stops early; see :class:`onegrain.interventions.StopWhen`."""

    stop_when: Annotated[
        str | None,
        typer.Option(
            "--stop-when",
            help="Stop as soon as the difference of the top from this line is settled: random or bottom.",
            rich_help_panel=ABLATION,
        ),
    ] = None
    stop_margin: Annotated[
        float | None,
        typer.Option(
            "--stop-margin",
            help="Of --stop-when: largest difference that counts as none, in the unit of the metric's mean.",
            rich_help_panel=ABLATION,
        ),
    ] = None

    def create(self) -> StopWhen | None:
        """Return when to stop; None to measure on all sentences."""
        from onegrain.errors import ParameterError
        from onegrain.interventions import StopWhen

        if self.stop_when is None:
            if self.stop_margin is not None:
                raise ParameterError("--stop-margin needs --stop-when")
            return None
        return StopWhen(self.stop_when, self.stop_margin)


def pairs_from(path: Path | None, *, format: str | None, lower: bool, limit: int | None) -> Corpus | None:
    """Return the paired sentences in a file, read as the metric's own; None without a file."""
    from onegrain.cli.options.corpus import corpus_from

    return None if path is None else corpus_from(path, format=format, lower=lower, limit=limit)


def _shares_from(text: str | None) -> list[float] | None:
    from onegrain.errors import ParameterError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--shares takes numbers with commas between them, got {text!r}") from None


def reference_identity(reference: Any, place: str | None) -> Any:
    """Return what identifies a reference in the hash of a request; None without a reference."""
    from onegrain.cli.repeating import identity_of
    from onegrain.core.sealing import file_digest
    from onegrain.records.activations import Activations

    if reference is None or place is None:
        return None
    return identity_of(reference, place) if isinstance(reference, Activations) else file_digest(Path(place))
