"""``onegrain rank``: from the options of the verb to the functions that it calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onegrain.cli.ending import Interrupted
from onegrain.cli.options.corpus import corpus_from
from onegrain.cli.options.model import model_from
from onegrain.cli.repeating import already_made, holds_request, unevaluated, with_request

if TYPE_CHECKING:
    from onegrain.records.activations import Activations
    from onegrain.records.ranking import Ranking

__all__ = [
    "model_reader",
    "parameters_by_method",
    "rank_and_save",
    "ranking_facts",
    "require_no_reading_options",
    "store_opener",
]


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


def parameters_by_method(parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of each method, whose name is the first part of theirs."""
    from onegrain.errors import ParameterError

    by_method: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        method, dot, parameter = name.partition(".")
        if not dot:
            raise ParameterError(f"--set {name}=...: say of which of the methods, METHOD.{name}=...")
        by_method.setdefault(method, {})[parameter] = value
    return by_method


def store_opener(sites: list[str] | None) -> Callable[[str], Activations]:
    """Return a function that opens a store at the chosen sites."""
    from onegrain.activations import open_activations

    return lambda path: open_activations(path).restrict(sites)


def model_reader(
    corpus: Path,
    sites: list[str] | None,
    text: dict[str, Any],
    encoding: dict[str, Any],
    loading: dict[str, Any],
) -> Callable[[str], Activations]:
    """Return a function that loads a model and reads the corpus with it, without storing anything."""
    from onegrain.activations import live_activations

    words = corpus_from(corpus, **text)
    return lambda name: live_activations(
        model_from(name, dictionaries=None, **loading), words, sites=sites, **encoding
    )


def require_no_reading_options(options: dict[str, Any]) -> None:
    """Raise ParameterError for options of models and corpora when stores are read."""
    from onegrain.errors import ParameterError

    plain = {"aggregate": "last", "long": "error", "batch_size": 64, "dtype": "float32"}
    names = {"dtype": "model-dtype", "device": "model-device"}
    changed = [name for name, value in options.items() if value and value != plain.get(name)]
    if changed:
        listed = ", ".join("--" + names.get(name, name).replace("_", "-") for name in changed)
        raise ParameterError(
            f"{listed}: a store has its words and values already; leave it out, or give models and --corpus"
        )
