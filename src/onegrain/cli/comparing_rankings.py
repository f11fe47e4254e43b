"""``onegrain compare RANKING...``: which ranking to believe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from onegrain.cli.console import emit_table, progress
from onegrain.cli.options.pairs import split_pair
from onegrain.cli.repeating import already_made, request_hash
from onegrain.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from onegrain.analyses import Comparison
    from onegrain.metrics import Metric
    from onegrain.models import LoadedModel
    from onegrain.records.curve import Curve
    from onegrain.records.evaluation import Evaluation
    from onegrain.records.ranking import Ranking

__all__ = ["Ablating", "Agreeing", "Probing", "compare_rankings", "rankings_from"]


@dataclass(frozen=True)
class Probing:
    """The options about masking and retraining; see ``onegrain.evaluate``."""

    train: str | None
    test: str | None
    dev: str | None
    label: str | None
    probe: str
    parameters: dict[str, Any]
    options: dict[str, Any]
    seed: int
    memory: str | None
    device: str | None


@dataclass(frozen=True)
class Ablating:
    """The options about erasing neurons in the running model; see ``onegrain.ablate``."""

    curves: list[str]
    model: LoadedModel | None
    metric: Metric | None
    options: dict[str, Any]


@dataclass(frozen=True)
class Agreeing:
    """The options about the table itself; see ``onegrain.compare_rankings``."""

    k: int | None
    ballots: int
    scale: str
    level: float
    vote: bool


def compare_rankings(
    paths: list[str],
    probing: Probing,
    ablating: Ablating,
    agreeing: Agreeing,
    *,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Print one table, a row a ranking; write it, a figure and the records if ``out`` is given."""
    from onegrain.analyses import compare_rankings as analysis
    from onegrain.analyses import neuron_vote
    from onegrain.analyses.judging.agreement import judges_among
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.reports.comparison_folder import comparison_layout, holds_comparison

    request = ""
    if out is not None:
        require_writable_output(out, force=force or out.is_dir(), ours=comparison_layout())
        request = _request(paths, probing, ablating, agreeing)
        if not force and holds_comparison(out, request):
            raise already_made(out)
        require_free(out, force=force, ours=comparison_layout())
    rankings = rankings_from(paths)
    judges = {name: rankings[name] for name in judges_among(rankings)}
    vote = neuron_vote(judges, agreeing.ballots) if len(judges) > 1 else None
    if agreeing.vote:
        if vote is None:
            raise ParameterError("--vote needs two rankings that vote; random orders and votes do not")
        if vote.method in rankings:
            raise ParameterError(f"there is a ranking {vote.method!r} among these already; leave out --vote")
        rankings[vote.method] = vote
    evaluation = _evaluation(rankings, probing)
    curves = _curves(rankings, ablating)
    found = analysis(
        rankings,
        evaluation,
        curves,
        k=agreeing.k,
        ballots=agreeing.ballots,
        scale=agreeing.scale,
        level=agreeing.level,
    )
    if out is not None:
        from onegrain.reports.comparison_folder import write_comparison

        write_comparison(out, found, evaluation, curves, vote, request=request, force=force)
    title = f"Rankings side by side; overlaps of the first {found.k} neurons"
    emit_table(found.table if as_json else _shown(found), title, as_json)
    for caution in evaluation.cautions if evaluation is not None else []:
        typer.echo(caution, err=as_json)


def _request(paths: list[str], probing: Probing, ablating: Ablating, agreeing: Agreeing) -> str:
    """Return the hash of everything that a comparison depends on."""
    from onegrain.activations.store.manifest import read_manifest
    from onegrain.activations.store.places.locate import folder_at
    from onegrain.records.identity import corpus_digest

    def content(path: str) -> str:
        return Path(path).read_bytes().hex() if Path(path).is_file() else "missing"

    stores = [probing.train, probing.test, probing.dev]
    model, metric = ablating.model, ablating.metric
    return request_hash(
        "compare",
        rankings=[(path, content(path)) for path in paths],
        stores=[None if store is None else read_manifest(folder_at(store)) for store in stores],
        probing=[
            probing.label,
            probing.probe,
            probing.parameters,
            probing.options,
            probing.seed,
            probing.device,
        ],
        curves=[(pair, content(pair.partition("=")[2])) for pair in ablating.curves],
        model=None if model is None else model.identity,
        metric=None if metric is None else [type(metric).__name__, corpus_digest(metric.corpus)],
        options=ablating.options,
        agreeing=asdict(agreeing),
    )


def _shown(comparison: Comparison) -> pd.DataFrame:
    """The table for a terminal: an area over its interval; of the rank correlations Spearman's."""
    import pandas as pd

    table = comparison.table
    columns: dict[str, Any] = {"ranking": table["ranking"]}
    for kind in comparison.measured:
        bounds = table[[kind, f"{kind}_low", f"{kind}_high"]].itertuples(index=False)
        columns[kind] = [_over("#.3g" if kind == "ablation" else ".3f", *row) for row in bounds]
    for name, heading in (("average_overlap", "overlap"), ("vote_overlap", "vote"), ("spearman", "rho")):
        columns[heading] = ["" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
    return pd.DataFrame(columns)


def _over(form: str, value: float, low: float, high: float) -> str:
    """A value over its bounds, as far as they are there."""
    if math.isnan(value):
        return ""
    bounds = "" if math.isnan(low) else f"\n{low:{form}} {high:{form}}"
    return f"{value:{form}}{bounds}"


def rankings_from(paths: list[str]) -> dict[str, Ranking]:
    """The rankings by the names of their files; with the folder where two files are of one name."""
    from onegrain.records.ranking import Ranking

    files = [Path(path) for path in paths]
    stems = [file.stem for file in files]
    names = [
        file.stem if stems.count(file.stem) == 1 else f"{file.resolve().parent.name}/{file.stem}"
        for file in files
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"two rankings are named {', '.join(twice)}; give their files different names")
    return {name: Ranking.load(file) for name, file in zip(names, files, strict=True)}


def _evaluation(rankings: Mapping[str, Ranking], probing: Probing) -> Evaluation | None:
    """Masking and retraining, where training words were given."""
    if probing.train is None:
        return None
    from onegrain.activations import open_activations
    from onegrain.evaluation import evaluate

    sites = next(iter(rankings.values())).space.sites
    train, test, dev = (
        None if path is None else open_activations(path).restrict(sites)
        for path in (probing.train, probing.test, probing.dev)
    )
    assert train is not None
    probe, parameters = _probe(probing.probe, probing.parameters)
    return evaluate(
        rankings,
        train,
        test,
        label=probing.label or _layer(rankings),
        probe=probe,
        dev=dev,
        seed=probing.seed,
        memory=probing.memory,
        device=probing.device,
        progress=progress(),
        **probing.options,
        **parameters,
    )


def _layer(rankings: Mapping[str, Ranking]) -> str:
    """The label layer of those rankings that have one."""
    layers = sorted({ranking.layer for ranking in rankings.values() if ranking.layer is not None})
    if len(layers) != 1:
        there = f"the rankings are of {', '.join(layers)}" if layers else "no ranking has one"
        raise ParameterError(f"name the label layer with --label: {there}")
    return layers[0]


def _probe(name: str, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What is fitted, and the parameters that ``evaluate`` takes for it.

    ``MODULE:CLASS`` is a classifier as scikit-learn has them, made with the given parameters.
    """
    from importlib import import_module

    module, colon, attribute = name.partition(":")
    if not colon:
        return name, given
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ParameterError(
            f"--probe {name}: {error}; give elastic-net, or MODULE:CLASS of a classifier"
        ) from error
    try:
        return kind(**given), {}
    except TypeError as error:
        raise ParameterError(f"--probe {name}: {error}") from error


def _curves(rankings: Mapping[str, Ranking], ablating: Ablating) -> dict[str, Curve]:
    """The curves that were given, and those that are made now, in the order of the rankings."""
    from onegrain.interventions import LINES, ablate
    from onegrain.records.curve import Curve

    given = {name: Curve.load(path) for name, path in _named(rankings, ablating.curves).items()}
    if ablating.model is None or ablating.metric is None:
        return {name: given[name] for name in rankings if name in given}
    found: dict[str, Curve] = {}
    random = any((curve.points["line"] == "random").any() for curve in given.values())
    for name, ranking in rankings.items():
        if name not in given:
            lines = [line for line in LINES if line != "random" or not random]
            given[name] = ablate(
                ablating.model, ranking, ablating.metric, lines=lines, progress=progress(), **ablating.options
            )
            random = True
        found[name] = given[name]
    return found


def _named(rankings: Mapping[str, Ranking], curves: list[str]) -> dict[str, str]:
    """Ranking -> file of its curve, from NAME=FILE."""
    found: dict[str, str] = {}
    for pair in curves:
        name, path = split_pair(pair, "--curve")
        if name not in rankings:
            raise ParameterError(f"--curve {pair}: no ranking {name!r}; there are: {', '.join(rankings)}")
        if name in found:
            raise ParameterError(f"--curve {pair}: ranking {name!r} has a curve already, {found[name]}")
        found[name] = path
    return found
