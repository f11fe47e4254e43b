"""``onegrain compare``: from the options of the verb to the functions that it calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from onegrain.cli.console import emit_table, progress
from onegrain.cli.options.pairs import split_pair
from onegrain.cli.options.probe import probe_from
from onegrain.cli.options.records import rankings_from
from onegrain.cli.repeating import already_made, request_hash
from onegrain.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from onegrain.analyses import Comparison
    from onegrain.cli.options.comparing import AblationOptions, AgreementOptions, DrawOptions, ProbeOptions
    from onegrain.metrics import Metric
    from onegrain.models import LoadedModel
    from onegrain.records.curve import Curve
    from onegrain.records.evaluation import Evaluation
    from onegrain.records.ranking import Ranking

__all__ = ["compare_files"]


def compare_files(
    paths: list[str],
    probes: ProbeOptions,
    ablation: AblationOptions,
    draws: DrawOptions,
    agreement: AgreementOptions,
    *,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Print one table with a row for each ranking; with ``out``, also write it, a figure and the records."""
    from onegrain.analyses import compare_rankings
    from onegrain.reports import write_comparison

    model = ablation.load()
    if out is None:
        request = ""
    else:
        request = _request(paths, probes, ablation, draws, agreement, model)
        _require_new(out, request, force=force)
    rankings = rankings_from(paths)
    vote = _vote(rankings, agreement)
    if agreement.vote and vote is not None:
        rankings[vote.method] = vote
    evaluation = _evaluation(rankings, probes, draws)
    curves = _curves(rankings, ablation, draws, model)
    comparison = compare_rankings(
        rankings,
        evaluation,
        curves,
        k=agreement.k,
        ballots=agreement.ballots,
        scale=agreement.scale,
        level=agreement.level,
    )
    if out is not None:
        write_comparison(out, comparison, evaluation, curves, vote, request=request, force=force)
    title = f"Rankings side by side; overlaps of the first {comparison.k} neurons"
    emit_table(comparison.table if as_json else _terminal_table(comparison), title, as_json)
    for caution in evaluation.cautions if evaluation is not None else []:
        typer.echo(caution, err=as_json)


def _require_new(out: Path, request: str, *, force: bool) -> None:
    """Check that the output of a request may be written.

    Raises:
        AlreadyDoneError: the folder holds the comparison of this very request.
        OutputExistsError: the folder holds something else.
    """
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.reports.comparison_folder import comparison_layout, holds_comparison

    require_writable_output(out, force=force or out.is_dir(), ours=comparison_layout())
    if not force and holds_comparison(out, request):
        raise already_made(out)
    require_free(out, force=force, ours=comparison_layout())


def _request(
    paths: list[str],
    probes: ProbeOptions,
    ablation: AblationOptions,
    draws: DrawOptions,
    agreement: AgreementOptions,
    model: tuple[LoadedModel, Metric] | None,
) -> str:
    """Return the hash of everything that a comparison depends on."""
    from onegrain.activations.store.manifest import read_manifest
    from onegrain.activations.store.places.locate import folder_at
    from onegrain.records.identity import corpus_digest

    def content(path: str) -> str:
        return Path(path).read_bytes().hex() if Path(path).is_file() else "missing"

    stores = [probes.train, probes.test, probes.dev]
    return request_hash(
        "compare",
        rankings=[(path, content(path)) for path in paths],
        stores=[None if store is None else read_manifest(folder_at(store)) for store in stores],
        probing=[probes.label, probes.probe, probes.probe_parameters(), probes.evaluation(), probes.device],
        curves=[(pair, content(pair.partition("=")[2])) for pair in ablation.curves or []],
        model=None if model is None else model[0].identity,
        metric=None
        if model is None
        else [
            type(model[1]).__name__,
            corpus_digest(model[1].corpus, documents=ablation.metric == "document_perplexity"),
            *(ablation.metric_set or ()),
        ],
        options=ablation.erasing(),
        drawing=asdict(draws),
        agreeing=asdict(agreement),
    )


def _vote(rankings: Mapping[str, Ranking], agreement: AgreementOptions) -> Ranking | None:
    """Return the vote of the rankings that judge others; None if fewer than two do."""
    from onegrain.analyses import judges_among, neuron_vote

    judges = {name: rankings[name] for name in judges_among(rankings)}
    vote = neuron_vote(judges, agreement.ballots) if len(judges) > 1 else None
    if agreement.vote and vote is None:
        raise ParameterError("--vote needs two rankings that vote; random orders and votes do not")
    if agreement.vote and vote is not None and vote.method in rankings:
        raise ParameterError(f"there is a ranking {vote.method!r} among these already; leave out --vote")
    return vote


def _evaluation(rankings: Mapping[str, Ranking], probes: ProbeOptions, draws: DrawOptions) -> Evaluation | None:
    """Return the masking and retraining of the rankings; None without training words."""
    if probes.train is None:
        return None
    from onegrain.activations import open_activations
    from onegrain.evaluation import evaluate

    sites = next(iter(rankings.values())).space.sites
    train = open_activations(probes.train).restrict(sites)
    test, dev = (
        None if path is None else open_activations(path).restrict(sites) for path in (probes.test, probes.dev)
    )
    probe, parameters = probe_from(probes.probe, probes.probe_parameters())
    return evaluate(
        rankings,
        train,
        test,
        label=probes.label,
        probe=probe,
        dev=dev,
        memory=probes.memory,
        device=probes.device,
        progress=progress(),
        **asdict(draws),
        **probes.evaluation(),
        **parameters,
    )


def _curves(
    rankings: Mapping[str, Ranking],
    ablation: AblationOptions,
    draws: DrawOptions,
    model: tuple[LoadedModel, Metric] | None,
) -> dict[str, Curve]:
    """Return the curves of --curve, and with --model those of the other rankings."""
    from onegrain.interventions import ablate_rankings
    from onegrain.records.curve import Curve

    loaded = {name: Curve.load(path) for name, path in _curve_files(rankings, ablation.curves or []).items()}
    if model is None:
        return {name: loaded[name] for name in rankings if name in loaded}
    running, metric = model
    options = {**ablation.erasing(), **asdict(draws)}
    return ablate_rankings(running, rankings, metric, curves=loaded, progress=progress(), **options)


def _curve_files(rankings: Mapping[str, Ranking], options: list[str]) -> dict[str, str]:
    """Return the file of each ranking's curve, from options NAME=FILE."""
    files: dict[str, str] = {}
    for pair in options:
        name, path = split_pair(pair, "--curve")
        if name not in rankings:
            raise ParameterError(
                f"--curve {pair}: no ranking {name!r}; the rankings are: {', '.join(rankings)}"
            )
        if name in files:
            raise ParameterError(f"--curve {pair}: ranking {name!r} has a curve already, {files[name]}")
        files[name] = path
    return files


def _terminal_table(comparison: Comparison) -> pd.DataFrame:
    """Return a narrower table: each area above its interval, and Spearman's rank correlation alone."""
    import pandas as pd

    table = comparison.table
    columns: dict[str, Any] = {"ranking": table["ranking"]}
    for kind in comparison.measured:
        bounds = table[[kind, f"{kind}_low", f"{kind}_high"]].itertuples(index=False)
        columns[kind] = [_with_interval("#.3g" if kind == "ablation" else ".3f", *row) for row in bounds]
    for name, heading in (("average_overlap", "overlap"), ("vote_overlap", "vote"), ("spearman", "rho")):
        columns[heading] = ["" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
    return pd.DataFrame(columns)


def _with_interval(number_format: str, value: float, low: float, high: float) -> str:
    """Return a value with its interval on a second line; the value alone without one."""
    if math.isnan(value):
        return ""
    interval = "" if math.isnan(low) else f"\n{low:{number_format}} {high:{number_format}}"
    return f"{value:{number_format}}{interval}"
