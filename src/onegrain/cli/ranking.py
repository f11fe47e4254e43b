"""``onegrain rank``: from the options of the verb to the functions that it calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from onegrain.cli.ending import Interrupted
from onegrain.cli.repeating import already_made, holds_request, unevaluated, with_request

if TYPE_CHECKING:
    from onegrain.records.activations import Activations
    from onegrain.records.ranking import Ranking

__all__ = ["output_paths", "parameters_by_method", "rank_and_save", "ranking_facts", "with_evaluate"]


def rank_and_save(
    activations: Activations,
    paths: dict[str, Path],
    requests: dict[str, str],
    arguments: dict[str, Any],
    parameters: dict[str, dict[str, Any]],
    *,
    force: bool,
) -> dict[str, Ranking]:
    """Rank by every method and save each ranking at once; keep the rankings of an earlier run of this command.

    A ranking that Ctrl-C leaves without its evaluation is saved too, and replaced by the next run.

    Raises:
        Interrupted: Ctrl-C during the evaluation of a ranking.
        AlreadyDoneError: an earlier run made all of them.
        OutputExistsError: the path of a ranking holds another one, and ``force`` is not set.
    """
    from onegrain.core.output import require_free
    from onegrain.errors import RankingInterrupted
    from onegrain.rankings import rank, rank_together
    from onegrain.records.ranking import Ranking

    kept = [] if force else [name for name, path in paths.items() if holds_request(path, requests[name])]
    if len(kept) == len(paths):
        raise already_made(next(iter(paths.values())) if len(paths) == 1 else next(iter(paths.values())).parent)
    replaced = {name: force or holds_request(path, unevaluated(requests[name])) for name, path in paths.items()}
    for name in set(paths) - set(kept):
        require_free(paths[name], force=replaced[name])

    def save(name: str, ranking: Ranking) -> None:
        with_request(ranking, requests[name]).save(paths[name], force=replaced[name])

    try:
        if len(paths) == 1:
            name = next(iter(paths))
            ranking = rank(name, activations, **arguments, **parameters[name])
            save(name, ranking)
            return {name: ranking}
        loaded = {name: Ranking.load(paths[name]) for name in kept}
        return rank_together(
            list(paths), activations, **arguments, parameters=parameters, earlier=loaded, finished=save
        )
    except RankingInterrupted as stop:
        name = stop.ranking.method
        with_request(stop.ranking, unevaluated(requests[name])).save(paths[name], force=replaced[name])
        prefix = f"{name}." if len(paths) > 1 else ""
        raise Interrupted(_remark(stop.ranking, paths[name], prefix)) from None


def _remark(ranking: Ranking, path: Path, prefix: str) -> str:
    """Return what Ctrl-C left of a ranking, and how to evaluate it; ``prefix`` goes before parameters."""
    remark = f"{path} holds the ranking without its evaluation; the same command makes both"
    pair = {name: ranking.details.get(name) for name in ("lambda1", "lambda2")}
    if None in pair.values():
        return remark
    chosen = " ".join(f"--set {prefix}{name}={value:g}" for name, value in pair.items())
    return f"{remark}, and with --force {chosen} it keeps these penalties and need not choose them again"


def ranking_facts(ranking: Ranking, path: Path) -> dict[str, Any]:
    """Return the facts of a ranking that the verb prints."""
    from onegrain.rankings.labels import MIN_COUNT, labels_left_out
    from onegrain.records.choice import describe_choice

    facts = {
        "ranking": str(path),
        "neurons": ranking.space.size,
        "ranked": ranking.n_ranked,
        "top": ranking.top(5),
    }
    left_out = labels_left_out(ranking.details)
    if left_out:
        least = ranking.provenance.parameters.get("min_count", MIN_COUNT)
        facts["labels_left_out"] = f"{left_out}; fewer than min_count={least}"
    choice = describe_choice(ranking.details.get("choice"))
    facts |= {"penalties": f"{choice} (--set finalists=N)"} if choice else {}
    summary = ranking.summary()
    facts |= {name: summary[name] for name in ("accuracy", "majority") if name in summary}
    full = (ranking.details.get("evaluation") or {}).get("full") or {}
    if "accuracy" not in full and full.get("macro_f1") is not None:
        facts |= {"mean_f1": full["macro_f1"]}
    return facts | ({"caution": summary["caution"]} if "caution" in summary else {})


def parameters_by_method(methods: list[str], parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of each method; with several methods, the first part of a name is the method's.

    Raises:
        ParameterError: there are several methods, and a parameter does not name its own.
    """
    from onegrain.errors import ParameterError

    if len(methods) == 1:
        return {methods[0]: parameters}
    by_method: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        method, dot, parameter = name.partition(".")
        if not dot:
            raise ParameterError(f"--set {name}=...: say of which of the methods, METHOD.{name}=...")
        by_method.setdefault(method, {})[parameter] = value
    return by_method


def with_evaluate(
    parameters: dict[str, dict[str, Any]], names: list[str], evaluate: str
) -> dict[str, dict[str, Any]]:
    """Return the parameters by method, with ``--evaluate`` for each method that evaluates its rankings.

    Raises:
        ParameterError: none of the methods does, or ``--set`` names the parts too.
    """
    from onegrain.errors import ParameterError
    from onegrain.rankings.registry import METHODS

    able = [name for name in names if name in METHODS and "evaluate" in METHODS[name].parameters]
    if not able:
        raise ParameterError(f"--evaluate: {', '.join(names)} has no evaluation in its record; leave it out")
    if any("evaluate" in parameters.get(name, {}) for name in able):
        raise ParameterError("--evaluate and --set evaluate say the same; give one of them")
    return parameters | {name: {**parameters.get(name, {}), "evaluate": evaluate} for name in able}


def output_paths(methods: list[str], out: Path, *, force: bool) -> dict[str, Path]:
    """Return the file of each method's ranking, after checking that it may be written.

    Raises:
        ParameterError: several methods are given, and the name of one cannot be the name of a file.
        OutputExistsError: a path cannot hold a ranking.
    """
    from onegrain.core.names import require_name
    from onegrain.core.output import require_writable_output

    if len(methods) == 1:
        paths = {methods[0]: out}
    else:
        for name in methods:
            require_name(name, "the name of a method")
        paths = {name: out / f"{name}.parquet" for name in methods}
    for path in paths.values():
        require_writable_output(path, force=force or path.is_file(), suffixes=(".parquet",))
    return paths
