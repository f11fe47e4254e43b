"""``onegrain analyse``: the paper's questions, asked of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import Force, Json, Sites, emit_table, progress
from onegrain.errors import ParameterError

app = typer.Typer(help="Ask the paper's questions of rankings, curves and stores.", no_args_is_help=True)

RankingFile = Annotated[Path, typer.Argument(help="A ranking with labels.")]
Rankings = Annotated[list[Path], typer.Argument(help="Two or more rankings.")]
Top = Annotated[int | None, typer.Option(help="Neurons of a top set; by default 10 or 1 %, the larger.")]


@app.command("localisation")
def localisation(ranking: RankingFile, as_json: Json = False) -> None:
    """Localised or distributed? How many neurons hold each label's weight."""
    from onegrain.analyses import localisation as analysis
    from onegrain.records.ranking import Ranking

    emit_table(analysis(Ranking.load(ranking)), "Neurons that hold each label's weight", as_json)


@app.command("sharing")
def sharing(ranking: RankingFile, k: Top = None, as_json: Json = False) -> None:
    """Exclusive or shared? For how many labels a neuron stands in the top set, and how the sets overlap."""
    from onegrain.analyses import sharing as analysis
    from onegrain.records.ranking import Ranking

    found = analysis(Ranking.load(ranking), k)
    emit_table(found.pairs, "Overlap of the labels' top sets, against chance", as_json)


@app.command("layers")
def layers(ranking: RankingFile, top: Top = None, as_json: Json = False) -> None:
    """In which layers the top neurons lie."""
    from onegrain.analyses import layers as analysis
    from onegrain.records.ranking import Ranking

    emit_table(analysis(Ranking.load(ranking), top), "Top neurons by site", as_json)


@app.command("contrast")
def contrast(rankings: Rankings, k: Top = None, as_json: Json = False) -> None:
    """NMT or NLM? The same numbers on several models, on the same labels."""
    from onegrain.analyses import contrast as analysis
    from onegrain.records.ranking import Ranking

    found = analysis({path.stem: Ranking.load(path) for path in rankings}, k)
    emit_table(found.summary, "Models side by side", as_json)


@app.command("overlap")
def overlap(rankings: Rankings, k: Top = None, as_json: Json = False) -> None:
    """How far rankings of the same neurons agree on the top k, against chance."""
    from onegrain.analyses import overlap as analysis
    from onegrain.records.ranking import Ranking

    found = analysis({path.stem: Ranking.load(path) for path in rankings}, k)
    emit_table(found, "Overlap of rankings, against chance", as_json)


@app.command("importance")
def importance(
    curves: Annotated[list[Path], typer.Argument(help="Curves of one model and metric.")], as_json: Json = False
) -> None:
    """Do they matter to the task? What erasing each ordering costs the model."""
    from onegrain.analyses import task_importance
    from onegrain.records.curve import Curve

    found = task_importance({path.stem: Curve.load(path) for path in curves})
    emit_table(found.summary, "What erasing costs", as_json)


@app.command("words")
def words(
    store: Annotated[str, typer.Argument(help="The activations, a folder or a URL.")],
    neurons: Annotated[list[str], typer.Argument(help="Neurons, SITE:UNIT.")],
    n: Annotated[int, typer.Option(help="Words in each direction.")] = 10,
    min_count: Annotated[int, typer.Option(help="Leave out rarer words.")] = 1,
    as_json: Json = False,
) -> None:
    """The words that move a neuron most, in both directions."""
    import pandas as pd

    from onegrain.activations import open_activations
    from onegrain.analyses import top_words

    activations = open_activations(store)
    found = top_words(activations, neurons, n, min_count=min_count)
    frames = [one.words.assign(neuron=one.name) for one in found]
    emit_table(pd.concat(frames, ignore_index=True), "Mean deviation in standard deviations", as_json)


@app.command("clusters")
def clusters(
    store: Annotated[str, typer.Argument(help="The activations, a folder or a URL.")],
    linkage: Annotated[
        str, typer.Option(help="Distance of two clusters over their pairs: average, complete or single.")
    ] = "average",
    threshold: Annotated[float, typer.Option(help="Largest distance 1 - abs(r) of joined clusters.")] = 0.3,
    signed: Annotated[bool, typer.Option("--signed", help="Distance 1 - r: opposite neurons are far.")] = False,
    sites: Sites = None,
    neurons: Annotated[
        list[str] | None, typer.Option("--neuron", help="Only this neuron, SITE:UNIT, and others so named.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="What the process may hold, such as 4GiB; by default what is free.")
    ] = None,
    ranking: Annotated[
        Path | None, typer.Option(help="A ranking whose best neuron is to stand for each cluster.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="That ranking without redundant neurons, to write, *.parquet.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="The clusters, to write, *.parquet.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Which neurons say the same? Clusters of correlated neurons, and a ranking of one neuron of each."""
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
    ranked = None if ranking is None else Ranking.load(ranking)
    activations = open_activations(store).restrict(ranked.space.sites if ranked and not sites else sites)
    found = analysis(
        activations,
        linkage=linkage,
        threshold=threshold,
        signed=signed,
        neurons=neurons or None,
        memory=memory,
        progress=progress(),
    )
    table = found.groups(found.representatives(ranked))
    if out is not None and ranked is not None:
        without_redundant(ranked, found).save(out, force=force)
    if record is not None:
        found.save(record, force=force)
    if not as_json:
        table["members"] = table["members"].map(" ".join)
    title = f"{len(found):,} clusters of {len(found.neurons):,} neurons; those of two or more"
    emit_table(table, title, as_json)


@app.command("universality")
def universality(
    ranking: Annotated[Path, typer.Argument(help="A ranking by maxcorr or mincorr.")],
    store: Annotated[str, typer.Argument(help="The activations that were ranked.")],
    others: Annotated[
        list[str], typer.Option(help="The other models' stores, in the ranking's order; may be repeated.")
    ],
    k: Annotated[int, typer.Option(help="How many of the first neurons.")] = 10,
    neurons: Annotated[
        list[str] | None, typer.Option("--neuron", help="A neuron, SITE:UNIT, instead; may be repeated.")
    ] = None,
    n: Annotated[int, typer.Option(help="Words in each direction.")] = 10,
    min_count: Annotated[int, typer.Option(help="Leave out rarer words.")] = 1,
    as_json: Json = False,
) -> None:
    """Why are neurons universal? Their top words beside those of their best partners in other models."""
    from onegrain.activations import open_activations
    from onegrain.analyses import universality as analysis
    from onegrain.records.ranking import Ranking

    ranked = Ranking.load(ranking)
    stores = [open_activations(path) for path in (store, *others)]
    own = stores[0].restrict(ranked.space.sites)
    spaces = ranked.details.get("spaces", [])
    sides = [other.restrict(space["sites"]) for other, space in zip(stores[1:], spaces, strict=False)]
    found = analysis(ranked, own, sides or stores[1:], k=k, neurons=neurons or None, n=n, min_count=min_count)
    if not as_json:
        found["model"] = found["model"].str.rsplit("/").str[-1]
        for column in ("words", "partner_words", "shared"):
            found[column] = found[column].map(" ".join)
    emit_table(found, "Top words of neurons and of their partners", as_json)


@app.command("stability")
def stability(
    ranking: Annotated[Path, typer.Argument(help="A ranking by lca.")],
    store: Annotated[str, typer.Argument(help="The activations that it was made from.")],
    out: Annotated[Path, typer.Option(help="The record to write, *.parquet.")],
    resamples: Annotated[int, typer.Option(help="Draws, splits and seeds; four probes for each.")] = 20,
    k: Annotated[
        list[int] | None, typer.Option(help="Neurons of a top set; may be repeated. By default some sizes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    level: Annotated[float, typer.Option(help="Share of the draws inside low and high.")] = 0.95,
    tolerance: Annotated[float, typer.Option(help="Relative duality gap of the probes.")] = 1e-2,
    memory: Annotated[
        str | None,
        typer.Option(help="What the process may hold, such as 4GiB; the rest goes to scratch files."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Where to compute, such as cuda.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Would other sentences give the same order? The probe again on draws and halves of them, and by seeds."""
    from onegrain.activations import open_activations
    from onegrain.core.output import require_free
    from onegrain.evaluation import stability as analysis
    from onegrain.records.ranking import Ranking

    require_free(out, force=force)
    ranked = Ranking.load(ranking)
    activations = open_activations(store).restrict(ranked.space.sites)
    found = analysis(
        ranked,
        activations,
        resamples=resamples,
        k=k or None,
        seed=seed,
        level=level,
        tolerance=tolerance,
        memory=memory,
        device=device,
        progress=progress(),
    )
    found.save(out, force=force)
    of_all = found.likeness[found.likeness["label"].isna()].drop(columns="label")
    emit_table(of_all, "Likeness of top sets between draws of sentences", as_json)
