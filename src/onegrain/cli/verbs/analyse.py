"""``onegrain analyse``: the paper's questions, asked of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit_table, progress
from onegrain.cli.grouped_help import VerbGroup
from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.neurons import K, MinCount, Neurons, Sites, WordCount
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.records import curves_from, rankings_from
from onegrain.errors import ParameterError

app = VerbGroup(
    name="analyse", help="Ask the paper's questions of rankings, curves and stores.", no_args_is_help=True
)

RankingFile = Annotated[Path, typer.Argument(help="Ranking with labels.")]
Rankings = Annotated[list[Path], typer.Argument(help="Two or more rankings.")]


@app.command("localisation")
def localisation(ranking: RankingFile, as_json: Json = False) -> None:
    """Count the neurons that hold each label's weight (localised or distributed?)."""
    from onegrain.analyses import localisation as analysis
    from onegrain.records.ranking import Ranking

    emit_table(analysis(Ranking.load(ranking)), "Neurons that hold each label's weight", as_json)


@app.command("sharing")
def sharing(ranking: RankingFile, k: K = None, as_json: Json = False) -> None:
    """Measure how the top sets of labels overlap (exclusive or shared?)."""
    from onegrain.analyses import sharing as analysis
    from onegrain.records.ranking import Ranking

    emit_table(
        analysis(Ranking.load(ranking), k).pairs, "Overlap of the labels' top sets, against chance", as_json
    )


@app.command("layers")
def layers(ranking: RankingFile, k: K = None, as_json: Json = False) -> None:
    """Count the top neurons in each layer."""
    from onegrain.analyses import layers as analysis
    from onegrain.records.ranking import Ranking

    emit_table(analysis(Ranking.load(ranking), k), "Top neurons by site", as_json)


@app.command("contrast")
def contrast(rankings: Rankings, k: K = None, as_json: Json = False) -> None:
    """Compare several models on the same labels (NMT or NLM?)."""
    from onegrain.analyses import contrast as analysis

    emit_table(analysis(rankings_from(rankings), k).summary, "Models side by side", as_json)


@app.command("overlap")
def overlap(rankings: Rankings, k: K = None, as_json: Json = False) -> None:
    """Measure how far rankings of the same neurons agree on the top k, against chance."""
    from onegrain.analyses import overlap as analysis

    emit_table(analysis(rankings_from(rankings), k), "Overlap of rankings, against chance", as_json)


@app.command("importance")
def importance(
    curves: Annotated[list[Path], typer.Argument(help="Curves of one model and metric.")], as_json: Json = False
) -> None:
    """Measure what erasing each ordering costs the model (do the neurons matter to the task?)."""
    from onegrain.analyses import task_importance

    emit_table(task_importance(curves_from(curves)).summary, "What erasing costs", as_json)


@app.command("words")
def words(
    store: Annotated[str, typer.Argument(help="Store, a folder or a URL.")],
    neurons: Annotated[list[str], typer.Argument(help="Neurons, SITE:UNIT.")],
    n: WordCount = 10,
    min_count: MinCount = 1,
    as_json: Json = False,
) -> None:
    """List the words with the largest deviations of a neuron, in both directions."""
    import pandas as pd

    from onegrain.activations import open_activations
    from onegrain.analyses import top_words

    neuron_words = top_words(open_activations(store), neurons, n, min_count=min_count)
    tables = [entry.words.assign(neuron=entry.name) for entry in neuron_words]
    emit_table(pd.concat(tables, ignore_index=True), "Mean deviation in standard deviations", as_json)


@app.command("clusters")
def clusters(
    store: Annotated[str, typer.Argument(help="Store, a folder or a URL.")],
    linkage: Annotated[
        str, typer.Option(help="Distance of two clusters over their pairs: average, complete or single.")
    ] = "average",
    threshold: Annotated[float, typer.Option(help="Largest distance 1 - abs(r) of joined clusters.")] = 0.3,
    signed: Annotated[bool, typer.Option("--signed", help="Distance 1 - r: opposite neurons are far.")] = False,
    sites: Sites = None,
    neurons: Neurons = None,
    memory: Memory = None,
    ranking: Annotated[
        Path | None, typer.Option(help="Ranking whose best neuron represents each cluster.")
    ] = None,
    out: Annotated[Path | None, out_option("Ranking without redundant neurons to write, *.parquet.")] = None,
    record: Annotated[Path | None, typer.Option(help="Clusters to write, *.parquet.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Find clusters of correlated neurons, and keep one neuron of each in a ranking."""
    from onegrain.activations import open_activations
    from onegrain.analyses import clusters as analysis
    from onegrain.analyses import without_redundant
    from onegrain.core.output import require_free
    from onegrain.records.ranking import Ranking

    if out is not None and ranking is None:
        raise ParameterError("--out is a ranking without redundant neurons; name the ranking with --ranking")
    for path in (out, record):
        if path is not None:
            require_free(path, force=force)
    loaded = None if ranking is None else Ranking.load(ranking)
    activations = open_activations(store).restrict(loaded.space.sites if loaded and not sites else sites)
    clustering = analysis(
        activations,
        linkage=linkage,
        threshold=threshold,
        signed=signed,
        neurons=neurons or None,
        memory=memory,
        progress=progress(),
    )
    table = clustering.groups(clustering.representatives(loaded))
    if out is not None and loaded is not None:
        without_redundant(loaded, clustering).save(out, force=force)
    if record is not None:
        clustering.save(record, force=force)
    if not as_json:
        table["members"] = table["members"].map(" ".join)
    title = f"{len(clustering):,} clusters of {len(clustering.neurons):,} neurons; those of two or more"
    emit_table(table, title, as_json)


@app.command("universality")
def universality(
    ranking: Annotated[Path, typer.Argument(help="Ranking by maxcorr or mincorr.")],
    store: Annotated[str, typer.Argument(help="Store that was ranked.")],
    others: Annotated[
        list[str], typer.Option(help="Store of another model, in the order of the ranking; may be repeated.")
    ],
    k: Annotated[int, typer.Option(help="Number of the first neurons.")] = 10,
    neurons: Neurons = None,
    n: WordCount = 10,
    min_count: MinCount = 1,
    as_json: Json = False,
) -> None:
    """List the top words of neurons beside those of their best partners in other models."""
    from onegrain.activations import open_activations
    from onegrain.analyses import universality as analysis
    from onegrain.records.ranking import Ranking

    first, *rest = (open_activations(path) for path in (store, *others))
    table = analysis(Ranking.load(ranking), first, rest, k=k, neurons=neurons or None, n=n, min_count=min_count)
    if not as_json:
        table["model"] = table["model"].str.rsplit("/").str[-1]
        for column in ("words", "partner_words", "shared"):
            table[column] = table[column].map(" ".join)
    emit_table(table, "Top words of neurons and of their partners", as_json)


@app.command("stability")
def stability(
    ranking: Annotated[Path, typer.Argument(help="Complete ranking by a method that ranks from words.")],
    store: Annotated[str, typer.Argument(help="Store that the ranking was made from.")],
    out: Annotated[Path, out_option("Record to write, *.parquet.")],
    others: Annotated[
        list[str] | None,
        typer.Option(help="Store of another model that was compared, in the same order. May be repeated."),
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="Number of draws, of splits, and of seeds if the method takes random steps.")
    ] = 20,
    k: Annotated[
        list[int] | None,
        typer.Option(help="Number of neurons in a top set; may be repeated. By default several sizes."),
    ] = None,
    seed: Seed = 0,
    level: Annotated[float, typer.Option(help="Level of the intervals, such as 0.95.")] = 0.95,
    tolerance: Annotated[
        float | None, typer.Option(help="Relative duality gap of the probes of lca; 0.01 by default.")
    ] = None,
    memory: Memory = None,
    device: Device = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a ranking again on draws and halves of the sentences: would they give the same order?"""
    from onegrain.activations import open_activations
    from onegrain.core.output import require_free
    from onegrain.evaluation import stability as analysis
    from onegrain.records.ranking import Ranking

    require_free(out, force=force)
    loaded = Ranking.load(ranking)
    activations = open_activations(store).restrict(loaded.space.sites)
    spaces = loaded.details.get("spaces", [])
    if others and len(others) != len(spaces):
        raise ParameterError(f"the ranking compares {len(spaces)} other models; --others names {len(others)}")
    result = analysis(
        loaded,
        activations,
        others=[
            open_activations(place).restrict(space["sites"])
            for place, space in zip(others or [], spaces, strict=False)
        ],
        resamples=resamples,
        k=k or None,
        seed=seed,
        level=level,
        tolerance=tolerance,
        memory=memory,
        device=device,
        progress=progress(),
    )
    result.save(out, force=force)
    likeness = result.likeness
    emit_table(
        likeness[likeness["label"].isna()].drop(columns="label"),
        "Likeness of top sets between draws of sentences",
        as_json,
    )
