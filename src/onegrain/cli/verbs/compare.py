"""``onegrain compare``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import Force, Json, Sites
from onegrain.cli.options.corpus import Limit, Lower
from onegrain.cli.options.model import AllowPickle, ModelDtype, SourceLanguage, TargetLanguage, TrustRemoteCode

NAME = "compare"

OF_MODELS = ("measure", "sites", "by_site", "variance")
OF_BOTH = ("records", "memory", "device", "out", "force", "as_json")
OF_TRAIN = (
    *("test", "dev", "label", "probe", "parameters", "counts", "standardize", "max_words", "memory", "device"),
    "scale",
)
OF_MODEL = (
    *("metric", "data", "steps", "max_erased", "lower", "limit", "batch_size"),
    *("model_device", "model_dtype", "trust_remote_code", "allow_pickle"),
    *("source_language", "target_language"),
)
NAMES = {"parameters": "set", "curves": "curve"}


def run(
    context: typer.Context,
    records: Annotated[
        list[str],
        typer.Argument(
            help="Two or more rankings (*.parquet) of the same neurons; or the stores of two models on the "
            "same words, each a folder or a URL."
        ),
    ],
    train: Annotated[str | None, typer.Option(help="Store that probes learn from.")] = None,
    test: Annotated[
        str | None, typer.Option(help="Store that they are tested on; by default some of --train's sentences.")
    ] = None,
    dev: Annotated[str | None, typer.Option(help="Store to choose the penalties of elastic-net on.")] = None,
    label: Annotated[str | None, typer.Option(help="The label layer; by default that of the rankings.")] = None,
    probe: Annotated[
        str, typer.Option(help="elastic-net, or MODULE:CLASS of a classifier as scikit-learn has them.")
    ] = "elastic-net",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the probe, NAME=VALUE (JSON); may be repeated."),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(help="How many neurons are kept, comma-separated; by default shares of 1 % up."),
    ] = None,
    standardize: Annotated[
        bool, typer.Option("--standardize", help="Scale neurons first; a masked one is then held at its mean.")
    ] = False,
    max_words: Annotated[int | None, typer.Option(help="Learn from at most so many words.")] = None,
    curves: Annotated[
        list[str] | None,
        typer.Option("--curve", help="A ranking's ablation curve, RANKING=FILE; may be repeated."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Erase neurons in this model, for rankings without a --curve.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Of --model: perplexity, bleu or chrf.")] = "perplexity",
    data: Annotated[
        list[Path] | None, typer.Option(help="Text for the metric, as ablate takes it; twice for two files.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Of --model: how many counts of erased neurons.")] = 20,
    max_erased: Annotated[int | None, typer.Option(help="Of --model: the largest count.")] = None,
    lower: Lower = False,
    limit: Limit = None,
    batch_size: Annotated[int, typer.Option(help="Of --model: sentences at once.")] = 64,
    model_device: Annotated[str | None, typer.Option(help="Where --model runs.")] = None,
    model_dtype: ModelDtype = "float32",
    trust_remote_code: TrustRemoteCode = False,
    allow_pickle: AllowPickle = False,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    random_orders: Annotated[int, typer.Option(help="Random orders beside the rankings.")] = 5,
    k: Annotated[
        int | None, typer.Option(help="Neurons of a top set; by default 10 or 1 %, the larger.")
    ] = None,
    ballots: Annotated[
        int, typer.Option(help="To how many neurons a ranking gives points in NeuronVote.")
    ] = 100,
    vote: Annotated[
        bool, typer.Option("--vote", help="Add what the rankings elect as one more ranking.")
    ] = False,
    scale: Annotated[
        str, typer.Option(help="Of the areas of masking and retraining: log or linear in the neurons kept.")
    ] = "log",
    level: Annotated[float, typer.Option(help="Of the intervals of areas.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Of whatever is random.")] = 0,
    measure: Annotated[
        list[str] | None,
        typer.Option(help="Of stores: cka, pwcca or svcca; may be repeated. All by default."),
    ] = None,
    sites: Sites = None,
    by_site: Annotated[
        bool,
        typer.Option(help="Of stores: a row for each pair of sites; else all sites of a model side by side."),
    ] = True,
    variance: Annotated[
        float, typer.Option(help="Of stores: what svcca keeps of each side's variance.")
    ] = 0.99,
    memory: Annotated[str | None, typer.Option(help="What the process may hold, such as 4GiB.")] = None,
    device: Annotated[str | None, typer.Option(help="Where to compute, such as cuda.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; of stores the record, *.parquet.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Which ranking to believe? Rankings of the same neurons side by side, all measured the same way.

    Masking and retraining with --train, erasing in the running model with --curve or --model, each as the area
    under its curve with an interval; and how far the rankings agree. Given two stores, how alike the sites of
    two models are as wholes: tokenizers and widths may differ, the words may not.
    """
    if not _are_rankings(records):
        from onegrain.cli.verbs.similarity import compare_models

        _require_options(context, (*OF_MODELS, *OF_BOTH), "two stores")
        _require_two(records)
        compare_models(
            records,
            measure=measure,
            sites=sites,
            by_site=by_site,
            variance=variance,
            memory=memory,
            device=device,
            out=out,
            force=force,
            as_json=as_json,
        )
        return
    from onegrain.cli.comparing_rankings import Ablating, Agreeing, Probing, compare_rankings
    from onegrain.cli.options.metric import counts_from, metric_from
    from onegrain.cli.options.model import model_from
    from onegrain.cli.options.pairs import parameters_from

    _require_options(context, [name for name in context.params if name not in OF_MODELS], "rankings")
    _require_together(context, train, model, data, curves)
    kept: dict[str, Any] = {"standardize": standardize, "random_orders": random_orders, "max_words": max_words}
    if counts is not None:
        kept["counts"] = counts_from(counts)
    given = parameters_from(parameters)
    probing = Probing(train, test, dev, label, probe, given, kept, seed, memory, device)
    loaded = measured = None
    if model is not None and data:
        measured = metric_from(metric, data, beams=1, tokenize="none", lower=lower, limit=limit)
        loaded = model_from(
            model,
            device=model_device,
            device_map=None,
            offload_folder=None,
            dtype=model_dtype,
            dictionaries=None,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
            source_language=source_language,
            target_language=target_language,
        )
    erasing = {"steps": steps, "max_erased": max_erased, "batch_size": batch_size}
    ablating = Ablating(
        curves or [], loaded, measured, {**erasing, "random_orders": random_orders, "seed": seed}
    )
    agreeing = Agreeing(k, ballots, scale, level, vote)
    compare_rankings(records, probing, ablating, agreeing, out=out, force=force, as_json=as_json)


def _are_rankings(records: list[str]) -> bool:
    """Whether the arguments are rankings; an error for a mixture, and for records that are neither."""
    from onegrain.errors import ParameterError
    from onegrain.library import ACTIVATIONS, kind_of

    kinds = {}
    for record in records:
        kind = kind_of(record)
        kinds[record] = "store" if kind in (ACTIVATIONS, "") else kind
    wrong = [f"{record} ({kind})" for record, kind in kinds.items() if kind not in ("ranking", "store")]
    if wrong:
        raise ParameterError(f"compare takes rankings, or the stores of two models, not {', '.join(wrong)}")
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{record} ({kind})" for record, kind in kinds.items())
        raise ParameterError(f"give rankings or stores, not both: {listed}")
    return "ranking" in kinds.values()


def _given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """The options among these that stand on the command line, as they are written."""
    told = []
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            told.append(f"--{NAMES.get(name, name).replace('_', '-')}")
    return told


def _require_options(context: typer.Context, known: Iterable[str], what: str) -> None:
    """Raise ParameterError for an option that is not about what is compared."""
    from onegrain.errors import ParameterError

    other = _given(context, [name for name in context.params if name not in set(known)])
    if other:
        raise ParameterError(f"{', '.join(other)}: not for comparing {what}; leave it out")


def _require_two(stores: list[str]) -> None:
    from onegrain.errors import ParameterError

    if len(stores) != 2:
        raise ParameterError(f"two stores are compared with each other, got {len(stores)}")


def _require_together(
    context: typer.Context, train: str | None, model: str | None, data: Any, curves: Any
) -> None:
    """Raise ParameterError for options that do nothing without another one."""
    from onegrain.errors import ParameterError

    both = () if train or model else ("random_orders", "seed")
    for there, names, needed in (
        (train is not None, OF_TRAIN, "--train"),
        (model is not None, OF_MODEL, "--model"),
        (train is not None or model is not None, both, "--train or --model"),
        (train is not None or model is not None or curves, ("level",), "--train, --model or --curve"),
    ):
        told = [] if there else _given(context, names)
        if told:
            raise ParameterError(f"{', '.join(told)}: give {needed} too, or leave it out")
    if model is not None and not data:
        raise ParameterError("--model is measured on a text; give it with --data")
