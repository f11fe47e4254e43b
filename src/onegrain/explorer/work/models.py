"""The one model that is in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onegrain.errors import MismatchError
from onegrain.explorer.collection import MODEL, Collection, Entry
from onegrain.explorer.errors import NotFoundError
from onegrain.library import is_model
from onegrain.records.provenance import Provenance

if TYPE_CHECKING:
    from onegrain.models import LoadedModel

__all__ = ["ModelKeeper", "load_options", "model_place"]


class ModelKeeper:
    """The loaded model, which another takes the place of. Only one thread uses it."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._loaded_as: tuple[str, dict[str, Any]] = ("", {})
        self._model: LoadedModel | None = None

    def load(self, entry: Entry) -> LoadedModel:
        """Return the model that an entry is or is about.

        Raises:
            NotFoundError: it is not here.
            MismatchError: the model of that name has other weights than the record was made from.
            ModelError: it cannot be loaded.
        """
        wanted = model_place(self._collection, entry), load_options(self._collection, entry)
        if self._model is None or self._loaded_as != wanted:
            from onegrain.models import load_model

            self.drop()
            self._model, self._loaded_as = load_model(wanted[0], **wanted[1]), wanted
        weights = self._model.identity.weight_hash
        if entry.weights and weights != entry.weights:
            raise MismatchError(
                f"{entry.name} is about a model {entry.model} with the weights {entry.weights[:12]}, and the "
                f"one that is here has {weights[:12]}; give the folder of the other one to onegrain explore"
            )
        return self._model

    def drop(self) -> None:
        """Release the model's memory."""
        self._model, self._loaded_as = None, ("", {})


def load_options(collection: Collection, entry: Entry) -> dict[str, Any]:
    """Return the precision and languages in which the activations of an entry were extracted."""
    if entry.kind == MODEL:
        return {}
    provenance = getattr(collection.record(entry.name), "provenance", None)
    if not isinstance(provenance, Provenance):
        return {}
    parameters = provenance.made_by("extract").parameters
    languages = parameters.get("languages") or {}
    options = {
        "dtype": parameters.get("model_dtype"),
        "source_language": languages.get("source"),
        "target_language": languages.get("target"),
    }
    return {name: value for name, value in options.items() if value is not None}


def model_place(collection: Collection, entry: Entry) -> str:
    """Return the folder of the model that an entry is or is about.

    A record that names a model of the hub has one if the model is in the cache of this machine; nothing is
    fetched.

    Raises:
        NotFoundError: the model is not here.
    """
    if entry.kind == MODEL:
        return os.fspath(collection.path(entry))
    try:
        return os.fspath(collection.path(collection.model_of(entry)))
    except NotFoundError:
        named = _named_by(collection, entry)
        folder = named if named and is_model(Path(named)) else _cached_folder(named)
        if not folder:
            raise
        return folder


def _named_by(collection: Collection, entry: Entry) -> str:
    """Return the id of the model in a record's provenance; empty if it names none."""
    provenance = getattr(collection.record(entry.name), "provenance", None)
    subject = provenance.subject() if isinstance(provenance, Provenance) else None
    return "" if subject is None else subject.id


def _cached_folder(name: str) -> str:
    """Return the folder of a model of the hub in the cache of this machine; empty if it is not in it."""
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(name, "config.json")
    except ValueError:  # not an id of the hub
        return ""
    return os.path.dirname(path) if isinstance(path, str) else ""
