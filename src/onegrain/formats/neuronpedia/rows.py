"""The rows of Neuronpedia's import files.

The columns follow the scripts that write such files (github.com/hijohnnylin/neuronpedia, ``db_models/`` in
``utils/neuronpedia-utils``) and the database (``apps/webapp/prisma/schema.prisma``). Columns whose value is
unknown are left out, because the database has a default for each of them.
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
    """The names under which neurons appear at Neuronpedia.

    Attributes:
        model_id: the model's id at Neuronpedia, in lower case, such as ``gpt2-small``.
        source_set: id of the set of sources, such as ``onegrain-ewt``; each layer is a source ``LAYER-SET``.
        release: id of the release, of letters, digits, dashes and underscores.
        title: a one-line description of the release.
        creator: the displayed name of the creator.
        creator_id: the id of the account that owns the data.
        description: description of the source set.
        url: URL of a paper or web page.
        visibility: ``PUBLIC``, ``UNLISTED`` or ``PRIVATE``.

    Raises:
        ParameterError: an id has other characters or is too long, a name is empty, or the visibility is
            unknown.
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
            raise ParameterError(f"model_id must be lower case at Neuronpedia, got {self.model_id!r}")
        if re.match(r"\d+-", self.source_set):
            raise ParameterError(
                f"source_set must not begin with a layer, which is added to it; got {self.source_set!r}"
            )
        for name in ("title", "creator", "creator_id"):
            if not getattr(self, name).strip():
                raise ParameterError(f"{name} must not be empty")
        if self.visibility not in VISIBILITIES:
            raise ParameterError(f"no visibility {self.visibility!r}; they are: {', '.join(VISIBILITIES)}")


def head_rows(cards: NeuronCards, release: NeuronpediaRelease, source_id: str) -> dict[str, dict[str, Any]]:
    """Return the rows of the files that describe a source, one row per file, by file name."""
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
    """Return the row of a sentence that is one of a neuron's top activations.

    Args:
        card: the card of the neuron.
        sequence: the tokens, the neuron's value at each, and the index of the token of the card's context.
        place: index of the sentence in the corpus, and position of the context's word in the sentence.
        release: the names at Neuronpedia.
        source_id: id of the source to which the neuron belongs.
    """
    tokens, values, chosen = sequence
    top = values.index(max(values))
    identity = (release.model_id, source_id, card.unit, *place, tokens, values)
    return {
        "id": "c" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24],
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
    """Return the row of a neuron, given the rows of its top activations."""
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
