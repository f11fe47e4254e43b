"""Question 3 of [Dalvi19]: the same numbers on several models, e.g. a translation and a language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from onegrain.analyses.questions.layers import corrected, layers
from onegrain.analyses.questions.localisation import localisation, open_against_closed
from onegrain.analyses.questions.sharing import sharing
from onegrain.analyses.questions.topsets import restrict_labels
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.ranking import Ranking

__all__ = ["Contrast", "contrast"]


@dataclass(frozen=True, eq=False)
class Contrast:
    """Models side by side, on the labels that all of them have.

    Attributes:
        labels: the labels compared.
        dropped: model -> its labels that others lack and that were left out.
        summary: one row per model: ``model``, ``neurons``, ``labels``, ``accuracy``, ``majority``,
            ``lambda1``, ``lambda2``, ``minimal_neurons``, ``minimal_share`` (None if the ranking does
            not know them; these are of the probe on all its own labels), ``effective`` and
            ``effective_share`` (means over labels; share of the model's neurons),
            ``effective_share_open``, ``effective_share_closed``, ``gini``, ``mean_jaccard`` and
            ``expected_jaccard`` (of the labels' top sets), ``shared_neurons`` (part of the neurons in
            any top set that stand in two or more).
        by_label: one row per model and label: ``model`` and the columns of :func:`localisation`.
        by_site: one row per model and site: ``model`` and the columns of :func:`layers`; q is over all models.
    """

    labels: tuple[str, ...]
    dropped: Mapping[str, tuple[str, ...]]
    summary: pd.DataFrame
    by_label: pd.DataFrame
    by_site: pd.DataFrame


def contrast(rankings: Mapping[str, Ranking], k: int | None = None) -> Contrast:
    """Compare models by localisation, sharing and layers, on the labels that all their rankings have.

    Args:
        rankings: model -> its ranking with label scores, all of the same label layer.
        k: neurons of a top set; default for each model the larger of 10 and 1 % of its neurons.

    Raises:
        ParameterError: fewer than two rankings, or k outside a model's neurons.
        MismatchError: the rankings are of different layers, or share no label.
        LabelError: a ranking has no labels.
    """
    if len(rankings) < 2:
        raise ParameterError(f"a contrast needs the rankings of at least two models, got {len(rankings)}")
    layer_of = {name: ranking.layer for name, ranking in rankings.items()}
    if len(set(layer_of.values())) > 1:
        listed = ", ".join(f"{name}: {layer}" for name, layer in layer_of.items())
        raise MismatchError(f"the rankings are of different label layers ({listed}); rank all models for one")
    lists = [ranking.labels for ranking in rankings.values()]
    labels = tuple(label for label in lists[0] if all(label in other for other in lists))
    if not labels:
        raise MismatchError(f"the rankings of {', '.join(rankings)} have no label in common")
    kept = {name: restrict_labels(ranking, labels) for name, ranking in rankings.items()}
    return Contrast(
        labels=labels,
        dropped={
            name: tuple(label for label in ranking.labels if label not in labels)
            for name, ranking in rankings.items()
        },
        summary=pd.DataFrame([_summary(name, ranking, k) for name, ranking in kept.items()]),
        by_label=_stack({name: localisation(ranking) for name, ranking in kept.items()}),
        by_site=corrected(_stack({name: layers(ranking, k) for name, ranking in kept.items()})),
    )


def _stack(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of several models as one, with a first column ``model``."""
    named = []
    for name, frame in frames.items():
        table = frame.copy()
        table.insert(0, "model", name)
        named.append(table)
    return pd.concat(named, ignore_index=True)


def _summary(name: str, ranking: Ranking, k: int | None) -> dict[str, Any]:
    """Return the row of one model in ``Contrast.summary``."""
    spread = localisation(ranking)
    classes = open_against_closed(spread).set_index("word_class")["effective_share"].to_dict()
    shared = sharing(ranking, k)
    evaluation = ranking.details.get("evaluation") or {}
    minimal = (evaluation.get("minimal_set") or {}).get("neurons")
    return {
        "model": name,
        "neurons": ranking.space.size,
        "labels": len(ranking.labels),
        "accuracy": (evaluation.get("full") or {}).get("accuracy"),
        "majority": evaluation.get("majority"),
        "lambda1": ranking.details.get("lambda1"),
        "lambda2": ranking.details.get("lambda2"),
        "minimal_neurons": minimal,
        "minimal_share": None if minimal is None else minimal / ranking.space.size,
        "effective": spread["effective"].mean(),
        "effective_share": spread["effective_share"].mean(),
        "effective_share_open": classes.get("open"),
        "effective_share_closed": classes.get("closed"),
        "gini": spread["gini"].mean(),
        "mean_jaccard": shared.pairs["jaccard"].mean(),
        "expected_jaccard": shared.pairs["expected_jaccard"].mean(),
        "shared_neurons": float((shared.neurons["labels_n"] > 1).mean())
        if len(shared.neurons)
        else float("nan"),
    }
