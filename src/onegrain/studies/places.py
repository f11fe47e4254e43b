"""The paths of a study's records, relative to its folder."""

from __future__ import annotations

from onegrain.studies.study import Study

__all__ = ["activations_path", "model_path", "ranking_path", "trained_first"]


def model_path(model: str) -> str:
    """Return where a study keeps a model that it trains."""
    return f"models/{model}"


def activations_path(model: str, corpus: str) -> str:
    """Return where a study keeps the activations of a model on a corpus."""
    return f"activations/{model}--{corpus}.zarr"


def ranking_path(ranking: str, model: str) -> str:
    """Return where a study keeps a ranking of a model's neurons."""
    return f"rankings/{ranking}--{model}.parquet"


def trained_first(study: Study, model: str) -> tuple[str, ...]:
    """Return the output that a step which runs a model needs: the model's folder if the study trains it."""
    return () if study.models[model].path is not None else (model_path(model),)
