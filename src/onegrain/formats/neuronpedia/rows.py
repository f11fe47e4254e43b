"""The rows of Neuronpedia's import files.

They are those of the scripts that make such files (github.com/hijohnnylin/neuronpedia, ``db_models/`` in
``utils/neuronpedia-utils``) and of its database (``apps/webapp/prisma/schema.prisma``). Columns that nothing is
known for are left out: the database has a default for each.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from onegrain.errors import ParameterError
from onegrain.records.cards import NeuronCards
from onegrain.records.neuron_card import NeuronCard

__all__ = ["VISIBILITIES", "NeuronpediaRelease", "activation_row", "feature_row", "head_rows"]

VISIBILITIES = ("PUBLIC", "UNLISTED", "PRIVATE")
NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True)
class NeuronpediaRelease:
    """Under which names neurons stand at Neuronpedia.

    Attributes:
        model_id: the model's id there, lower case, such as ``gpt2-small``.
        source_set: id of the set of sources, such as ``onegrain-ewt``; each layer is a source ``LAYER-SET``.
        release: id of the release, letters, digits and dashes.
        title: one line about the release.
        creator: the name that is shown.
        creator_id: the id of the account that the data belong to.
        description: of the source set.
        url: of a paper or a page.
        visibility: ``PUBLIC``, ``UNLISTED`` or ``PRIVATE``.
    """

    model_id: str
    source_set: str
    release: str
    title: str
    creator: str
    creator_id: str
    description: str = ""
    url: str | None = None
    visibility: str = "PUBLIC"

    def __post_init__(self) -> None:
        for name in ("model_id", "source_set", "release"):
            value = getattr(self, name)
            if not NAME.fullmatch(value):
                raise ParameterError(
                    f"{name} must be up to 128 letters, digits, dashes and underscores, got {value!r}"
                )
        if self.model_id != self.model_id.lower():
            raise ParameterError(f"model_id is lower case at Neuronpedia, got {self.model_id!r}")
        if re.match(r"\d+-", self.source_set):
            raise ParameterError(
                f"source_set is without the layer, which is put before it; got {self.source_set!r}"
            )
        for name in ("title", "creator", "creator_id"):
            if not getattr(self, name).strip():
                raise ParameterError(f"{name} must not be empty")
        if self.visibility not in VISIBILITIES:
            raise ParameterError(f"no visibility {self.visibility!r}; they are: {', '.join(VISIBILITIES)}")


def head_rows(cards: NeuronCards, release: NeuronpediaRelease, source_id: str) -> dict[str, dict[str, Any]]:
    """The one row of each of the files that describe a source, by the file's name."""
    shown = {"creatorId": release.creator_id, "visibility": release.visibility}
    urls = [release.url] if release.url else []
    weights = f", weights {cards.model.id} {cards.model.weight_hash}" if cards.model else ""
    return {
        "release": shown
        | {
            "name": release.release,
            "description": release.title,
            "descriptionShort": release.title,
            "creatorName": release.creator,
            "creatorNameShort": release.creator,
            "urls": urls,
        },
        "model": shown
        | {
            "id": release.model_id,
            "instruct": release.model_id.endswith("-it"),
            "displayName": release.model_id,
            "displayNameShort": release.model_id,
            "layers": 0,
            "neuronsPerLayer": 0,
            "owner": release.creator,
        },
        "sourceset": shown
        | {
            "modelId": release.model_id,
            "name": release.source_set,
            "description": release.description,
            "creatorName": release.creator,
            "releaseName": release.release,
            "hasDashboards": True,
            "urls": urls,
        },
        "source": shown
        | {
            "id": source_id,
            "modelId": release.model_id,
            "setName": release.source_set,
            "hasDashboards": True,
            "inferenceEnabled": False,
            "num_prompts": cards.corpus.n_sentences,
            "dataset": cards.corpus.source,
            "notes": f"onegrain {cards.provenance.version}, corpus {cards.corpus.content_hash}{weights}",
        },
    }


def activation_row(
    card: NeuronCard,
    sequence: tuple[list[str], list[float], int],
    place: tuple[int, int],
    release: NeuronpediaRelease,
    source_id: str,
) -> dict[str, Any]:
    """A sentence as one of a neuron's top activations.

    Args:
        card: of the neuron.
        sequence: tokens, the neuron's value at each, and the token that the sentence was chosen for.
        place: sentence and position of that word in the corpus.
        release: the names at Neuronpedia.
        source_id: of the source that the neuron belongs to.
    """
    tokens, values, chosen = sequence
    top = values.index(max(values))
    whole = (release.model_id, source_id, card.unit, *place, tokens, values)
    return {
        "id": "c" + hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:24],
        "modelId": release.model_id,
        "layer": source_id,
        "index": str(card.unit),
        "tokens": tokens,
        "values": values,
        "maxValue": values[top],
        "maxValueTokenIndex": top,
        "minValue": min(values),
        "qualifyingTokenIndex": chosen,
        "creatorId": release.creator_id,
    }


def feature_row(
    card: NeuronCard, activations: list[dict[str, Any]], release: NeuronpediaRelease, source_id: str
) -> dict[str, Any]:
    """A neuron, given the rows of its top activations."""
    shares = card.statistics.share_positive, card.statistics.share_negative
    return {
        "modelId": release.model_id,
        "layer": source_id,
        "index": str(card.unit),
        "sourceSetName": release.source_set,
        "creatorId": release.creator_id,
        "maxActApprox": max([0.0, *(row["maxValue"] for row in activations)]),
        "hasVector": False,
        "frac_nonzero": min(1.0, sum(shares)),
    }
