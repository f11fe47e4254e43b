"""``onegrain uniqueness``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from onegrain.cli.console import progress
from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.headings import PROBES
from onegrain.cli.options.neurons import Sites
from onegrain.cli.options.pairs import parameters_from
from onegrain.cli.options.record_output import RecordOutput
from onegrain.cli.repeating import identity_of, request_hash

NAME = "uniqueness"


@dataclass(frozen=True)
class RoundOptions:
    """The options for the rounds."""

    k: Annotated[
        int | None,
        typer.Option(
            "--k", "-k", help="Number of neurons that each round takes away; by default as few as suffice."
        ),
    ] = None
    rounds: Annotated[int, typer.Option(help="Largest number of rounds.")] = 10
    delta: Annotated[float, typer.Option(help="Accuracy that a probe of k neurons may lose, from 0 to 1.")] = (
        0.01
    )
    random_sets: Annotated[int, typer.Option(help="Number of random sets of k neurons.")] = 5
    seed: Seed = 0


@with_groups
def run(
    method: Annotated[
        str, typer.Argument(help="Ranking method that ranks the neurons of a store by its words.")
    ],
    store: Annotated[str, typer.Argument(help="Store of the training words, a folder or a URL.")],
    label: Annotated[str, typer.Option("--label", "-l", help="Label layer.")],
    *,
    output: RecordOutput,
    rounds: RoundOptions,
    test: Annotated[
        str | None, typer.Option(help="Store of the tested words; by default some sentences of STORE.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", help="Parameter of the method, NAME=VALUE (JSON); may be repeated."),
    ] = None,
    probe: Annotated[
        list[str] | None,
        typer.Option(
            "--probe-set",
            help="Parameter of the probe, NAME=VALUE (JSON); may be repeated.",
            rich_help_panel=PROBES,
        ),
    ] = None,
    sites: Sites = None,
    memory: Memory = None,
    device: Device = None,
) -> None:
    """Rank, take the first neurons away, rank what is left: how many sets of neurons serve as well?"""
    from onegrain.activations import open_activations
    from onegrain.evaluation import uniqueness

    output.require_writable()
    places = {"train": store} | ({} if test is None else {"test": test})
    opened = {name: open_activations(place).restrict(sites) for name, place in places.items()}
    request = request_hash(
        NAME,
        method=method,
        stores=[identity_of(opened[name], place) for name, place in places.items()],
        options=[label, asdict(rounds), parameters, probe, device],
    )
    output.require_new(request)
    record = uniqueness(
        method,
        opened["train"],
        opened.get("test"),
        label=label,
        ranking=parameters_from(parameters),
        memory=memory,
        device=device,
        progress=progress(),
        **asdict(rounds),
        **parameters_from(probe),
    )
    output.save(record, request)
    heading = "Accuracy of new probes of each round's neurons, and of those that are left"
    output.show(record.summary(), {heading: record.rounds}, {"table": record.to_pandas()})
