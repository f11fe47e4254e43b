"""Options of ``onegrain compare``: probes, erasing in a running model, and the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.corpus import Limit
from onegrain.cli.options.headings import ABLATION, PROBES
from onegrain.cli.options.metric import (
    Counts,
    MaxErased,
    MetricName,
    MetricParameters,
    Steps,
    counts_from,
    metric_from,
)
from onegrain.cli.options.model import LoadingOptions, ModelDevice, ModelDtype
from onegrain.cli.options.neurons import K, LabelLayer, RandomOrders
from onegrain.cli.options.pairs import parameters_from
from onegrain.cli.options.words import BatchSize

if TYPE_CHECKING:
    from onegrain.metrics import Metric
    from onegrain.models import LoadedModel

__all__ = ["AblationOptions", "AgreementOptions", "DrawOptions", "ProbeOptions"]


@dataclass(frozen=True)
class ProbeOptions:
    """The options for masking and retraining; see :func:`onegrain.evaluate`."""

    train: Annotated[
        str | None, typer.Option(help="Store that probes are trained on.", rich_help_panel=PROBES)
    ] = None
    test: Annotated[
        str | None,
        typer.Option(
            help="Store that probes are tested on; by default some sentences of --train.",
            rich_help_panel=PROBES,
        ),
    ] = None
    dev: Annotated[
        str | None,
        typer.Option(help="Held-out store on which penalties and the like are chosen.", rich_help_panel=PROBES),
    ] = None
    label: LabelLayer = None
    probe: Annotated[
        str,
        typer.Option(
            help="Probe: elastic-net, or MODULE:CLASS of a scikit-learn classifier.", rich_help_panel=PROBES
        ),
    ] = "elastic-net"
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Parameter of the probe, NAME=VALUE (JSON); may be repeated.", rich_help_panel=PROBES
        ),
    ] = None
    counts: Counts = None
    standardize: Annotated[
        bool,
        typer.Option(
            "--standardize",
            help="Standardize neurons first; a masked neuron then keeps its mean.",
            rich_help_panel=PROBES,
        ),
    ] = False
    max_words: Annotated[
        int | None, typer.Option(help="Largest number of words to train on.", rich_help_panel=PROBES)
    ] = None
    memory: Memory = None
    device: Device = None

    def probe_parameters(self) -> dict[str, Any]:
        """Return the parameters of the probe by name."""
        return parameters_from(self.parameters)

    def evaluation(self) -> dict[str, Any]:
        """Return the options as keywords of :func:`onegrain.evaluate`."""
        arguments: dict[str, Any] = {"standardize": self.standardize, "max_words": self.max_words}
        return arguments | ({} if self.counts is None else {"counts": counts_from(self.counts)})


@dataclass(frozen=True)
class AblationOptions:
    """The options for erasing neurons in the running model; see :func:`onegrain.ablate_rankings`."""

    curves: Annotated[
        list[str] | None,
        typer.Option(
            "--curve",
            help="Ablation curve of a ranking, RANKING=FILE; may be repeated.",
            rich_help_panel=ABLATION,
        ),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            help="Model to erase neurons in, for rankings without a --curve; ablate has all options of models.",
            rich_help_panel=ABLATION,
        ),
    ] = None
    metric: MetricName = "perplexity"
    metric_set: MetricParameters = None
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Text for the metric, as ablate takes it; twice for two files.", rich_help_panel=ABLATION
        ),
    ] = None
    steps: Steps = 20
    max_erased: MaxErased = None
    limit: Limit = None
    batch_size: BatchSize = 64
    model_device: ModelDevice = None
    model_dtype: ModelDtype = "float32"

    def load(self) -> tuple[LoadedModel, Metric] | None:
        """Return the loaded model and its metric on the text; None without --model."""
        if self.model is None or not self.data:
            return None
        metric = metric_from(
            self.metric,
            self.data,
            lower=False,
            limit=self.limit,
            parameters=self.metric_set,
        )
        return LoadingOptions(model_dtype=self.model_dtype).load(self.model, self.model_device), metric

    def erasing(self) -> dict[str, Any]:
        """Return the options as keywords of :func:`onegrain.ablate_rankings`."""
        return {"steps": self.steps, "max_erased": self.max_erased, "batch_size": self.batch_size}


@dataclass(frozen=True)
class DrawOptions:
    """The options for what is random in both measurements."""

    random_orders: RandomOrders = 5
    seed: Seed = 0


@dataclass(frozen=True)
class AgreementOptions:
    """The options for the table; see :func:`onegrain.compare_rankings`."""

    k: K = None
    ballots: Annotated[
        int, typer.Option(help="Number of neurons that a ranking gives points to in NeuronVote.")
    ] = 100
    vote: Annotated[bool, typer.Option("--vote", help="Add the vote of the rankings as one more ranking.")] = (
        False
    )
    scale: Annotated[
        str,
        typer.Option(
            help="Scale of the areas of masking and retraining: log or linear in the neurons kept.",
            rich_help_panel=PROBES,
        ),
    ] = "log"
    level: Annotated[float, typer.Option(help="Level of the intervals, such as 0.95.")] = 0.95
