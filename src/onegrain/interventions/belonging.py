"""Checks that a ranking belongs to the model whose neurons it is used to edit."""

from __future__ import annotations

from onegrain.errors import MismatchError
from onegrain.models import LoadedModel
from onegrain.records.ranking import Ranking

__all__ = ["require_ranking_of"]


def require_ranking_of(model: LoadedModel, ranking: Ranking) -> None:
    """Check that a ranking orders neurons of this model, as it is loaded now.

    Raises:
        MismatchError: the ranking was made from another model's activations, or from latents of another
            dictionary; the model lacks one of its sites; or its activations were extracted with a start token
            and the model is now measured without one, or the other way round.
    """
    _require_same_weights(model, ranking)
    _require_same_dictionaries(model, ranking)
    _require_same_start_token(model, ranking)


def _require_same_weights(model: LoadedModel, ranking: Ranking) -> None:
    """Refuse a ranking made from another model's activations: its order means nothing for this model."""
    identity, ranked = model.identity, ranking.provenance.subject()
    if ranked is not None and ranked.weight_hash != identity.weight_hash:
        raise MismatchError(
            f"the ranking is of the neurons of {ranked.id} (weights {ranked.weight_hash[:12]}), not of "
            f"{identity.id} (weights {identity.weight_hash[:12]}); rank activations that were extracted from "
            "this model, in the same dtype"
        )


def _require_same_dictionaries(model: LoadedModel, ranking: Ranking) -> None:
    """Refuse a model without the ranking's sites, and latents of another dictionary than the ranked ones."""
    ranked = ranking.provenance.dictionaries()
    for point in model.require_space(ranking.space):
        if point.name in ranked and point.dictionary and point.dictionary.identity != ranked[point.name]:
            raise MismatchError(
                f"the ranking is of the latents of dictionary {ranked[point.name][:12]} at {point.name!r}, and "
                f"the model was loaded with {point.dictionary.folder} ({point.dictionary.identity[:12]}); "
                "give the folder that the ranking was made with"
            )


def _require_same_start_token(model: LoadedModel, ranking: Ranking) -> None:
    """Refuse a language model that would be measured with a start token if the ranking's words lacked it."""
    extraction = ranking.provenance.made_by("extract")
    if model.task != "language model" or "bos" not in extraction.parameters:
        return
    ranked, measured = bool(extraction.parameters["bos"]), model.bos_id is not None
    if ranked != measured:
        remedy = (
            "measure without it (--no-bos; model.without_start_token())"
            if measured
            else "measure with it (leave --no-bos out)"
        )
        raise MismatchError(
            f"the ranking is of activations that {model.identity.id} gave {'behind' if ranked else 'without'} "
            f"its start token, and it would be measured {'behind' if measured else 'without'} it; extract "
            f"again with --{'bos' if measured else 'no-bos'}, or {remedy}"
        )
