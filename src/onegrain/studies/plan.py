"""A study as steps: what each makes, where, and from which others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onegrain.studies.entries import LANGUAGES, ModelSource
from onegrain.studies.study import Study

__all__ = ["Step", "activations_path", "plan_study", "ranking_path"]

STAGES = ("train", "measure", "extract", "rank", "stability", "evaluate", "ablate")


@dataclass(frozen=True)
class Step:
    """One record to make.

    Attributes:
        stage: one of ``STAGES``.
        name: unique within the stage.
        output: the record's path, relative to the study's folder.
        recipe: everything in the study file that the record depends on, as JSON-able data.
        needs: outputs of other steps that it reads.
        entry: which entry of the study it serves, and for which model, corpus or ranking.
    """

    stage: str
    name: str
    output: str
    recipe: dict[str, Any]
    needs: tuple[str, ...]
    entry: dict[str, Any]


def activations_path(model: str, corpus: str) -> str:
    """Where a study keeps the activations of a model on a corpus."""
    return f"activations/{model}--{corpus}.zarr"


def ranking_path(ranking: str, model: str) -> str:
    """Where a study keeps a ranking of a model's neurons."""
    return f"rankings/{ranking}--{model}.parquet"


def plan_study(study: Study) -> list[Step]:
    """Every step of a study; each comes after those whose outputs it needs."""
    steps = [
        *_train(study),
        *_measure(study),
        *_extract(study),
        *_rank(study),
        *_stability(study),
        *_evaluate(study),
        *_ablate(study),
    ]
    by_output = {step.output: step for step in steps}
    return list(by_output.values())


def _model_needs(study: Study, model: str) -> tuple[str, ...]:
    return () if study.models[model].path is not None else (f"models/{model}",)


def _corpora(study: Study, *names: str | None) -> dict[str, Any]:
    return {name: study.corpora[name].model_dump(mode="json") for name in names if name is not None}


def _model(model: ModelSource, *, exclude: set[str] | None = None) -> dict[str, Any]:
    """Return what the study says of a model, as JSON-able data.

    Languages that are not stated are left out: records made before a study could state them still hold.
    """
    unstated = set(LANGUAGES) - set(model.languages)
    return model.model_dump(mode="json", exclude=unstated | (exclude or set()))


def _train(study: Study) -> Iterator[Step]:
    for name, model in study.models.items():
        if model.path is None:
            recipe = {
                "model": _model(model, exclude={"test"}),
                "seed": study.seed,
                "corpora": _corpora(study, model.train, model.valid),
            }
            yield Step("train", name, f"models/{name}", recipe, (), {"model": name})


def _measure(study: Study) -> Iterator[Step]:
    for name, model in study.models.items():
        if model.test is not None:
            recipe = {
                "model": _model(model),
                "corpora": _corpora(study, model.test, model.train),
            }
            needs = _model_needs(study, name)
            yield Step("measure", name, f"measures/{name}.json", recipe, needs, {"model": name})


def _readings(study: Study) -> Iterator[tuple[str, str]]:
    """Every (model, corpus) whose activations some step or the report reads."""
    for table in (study.probes, study.crossmodel, study.rankings, study.comparisons):
        for entry in table.values():
            yield from ((model, corpus) for model in entry.models for corpus in entry.corpora)
    yield from study.show


def _extract(study: Study) -> Iterator[Step]:
    for model, corpus in dict.fromkeys(_readings(study)):
        recipe = {
            "model": _model(study.models[model]),
            "corpora": _corpora(study, corpus),
            "aggregate": study.aggregate,
            "dtype": study.dtype,
        }
        yield Step(
            "extract",
            f"{model} on {corpus}",
            activations_path(model, corpus),
            recipe,
            _model_needs(study, model),
            {"model": model, "corpus": corpus},
        )


def _rank(study: Study) -> Iterator[Step]:
    for kind, table in (("probe", study.probes), ("crossmodel", study.crossmodel), ("ranking", study.rankings)):
        for name, entry in table.items():
            left_out = {"models", "stability"} if kind != "crossmodel" else set()
            recipe = {kind: entry.model_dump(mode="json", exclude=left_out), "seed": study.seed}
            for model in entry.models:
                read = entry.models if kind == "crossmodel" else (model,)
                yield Step(
                    "rank",
                    f"{name} of {model}",
                    ranking_path(name, model),
                    recipe,
                    tuple(activations_path(one, corpus) for one in read for corpus in entry.corpora),
                    {kind: name, "model": model},
                )


def _stability(study: Study) -> Iterator[Step]:
    for name, probe in study.probes.items():
        for model in probe.models if probe.stability is not None else ():
            yield Step(
                "stability",
                f"{name} of {model}",
                f"stability/{name}--{model}.parquet",
                {"stability": probe.stability, "seed": study.seed},
                (activations_path(model, probe.train), ranking_path(name, model)),
                {"probe": name, "model": model},
            )


def _evaluate(study: Study) -> Iterator[Step]:
    for name, comparison in study.comparisons.items():
        for model in comparison.models:
            yield Step(
                "evaluate",
                f"{name} of {model}",
                f"evaluations/{name}--{model}.parquet",
                {"comparison": comparison.model_dump(mode="json", exclude={"models"}), "seed": study.seed},
                (
                    *(activations_path(model, corpus) for corpus in comparison.corpora),
                    *(ranking_path(ranking, model) for ranking in comparison.rankings),
                ),
                {"comparison": name, "model": model},
            )


def _ablate(study: Study) -> Iterator[Step]:
    for name, ablation in study.ablations.items():
        for model in ablation.models:
            for ranking in ablation.rankings:
                recipe = {
                    "ablation": ablation.model_dump(mode="json", exclude={"models", "rankings"}),
                    "corpora": _corpora(study, ablation.corpus),
                    "seed": study.seed,
                }
                yield Step(
                    "ablate",
                    f"{name} of {model} by {ranking}",
                    f"curves/{name}--{ranking}--{model}.parquet",
                    recipe,
                    (*_model_needs(study, model), ranking_path(ranking, model)),
                    {"ablation": name, "model": model, "ranking": ranking},
                )
