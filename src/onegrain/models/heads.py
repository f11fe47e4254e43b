"""The heads of encoders: masked language models and classifiers, which run on the body of a loaded model.

An encoder is loaded without its head, since the body holds the sites. A head is loaded from the same folder
when a metric needs it, and its copy of the body is replaced by the loaded one, so that edits reach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from onegrain.errors import ModelError, ParameterError
from onegrain.models.checkpoint import check_weights
from onegrain.models.failures import as_model_error, few_of
from onegrain.models.hub import find_folder
from onegrain.models.quiet import quiet_transformers
from onegrain.models.running import RunningModel

__all__ = ["Head", "HeadKind", "classifier_kind", "load_head"]

HeadKind = Literal["masked language model", "classifier of sentences", "classifier of words"]

CLASSES: dict[HeadKind, Any] = {
    "masked language model": AutoModelForMaskedLM,
    "classifier of sentences": AutoModelForSequenceClassification,
    "classifier of words": AutoModelForTokenClassification,
}


@dataclass(frozen=True, eq=False)
class Head:
    """A head on the body of a loaded model.

    Attributes:
        kind: what the head does.
        network: the model of transformers with this head; its body is that of the loaded model.
        body: the loaded model.
    """

    kind: HeadKind
    network: Any
    body: RunningModel

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of a classifier's classes, in the order of its outputs."""
        names = self.network.config.id2label
        return tuple(str(names[number]) for number in sorted(names))

    def logits(self, rows: list[list[int]]) -> Tensor:
        """Return the output for padded rows.

        It is (rows, classes) for a classifier of sentences, and (rows, time, classes) for any other head.
        """
        logits: Tensor = self.network(**self.body.batch(rows)).logits
        return logits

    def logits_at(self, rows: list[list[int]], places: list[int]) -> Tensor:
        """Return the output at one place of each row, (rows, classes).

        Only the values at these places are multiplied with the vocabulary, if the head allows it.
        """
        inputs = self.body.batch(rows)
        width = inputs["input_ids"].shape[1]
        output = self.network.get_output_embeddings()

        def keep(module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
            values = arguments[0]
            if values.dim() != 3 or values.shape[:2] != (len(rows), width):
                return None
            return (_at(values, places)[:, None], *arguments[1:])

        handle = None if output is None else output.register_forward_pre_hook(keep)
        try:
            logits: Tensor = self.network(**inputs).logits
        finally:
            if handle is not None:
                handle.remove()
        return logits[:, 0] if logits.shape[1] == 1 else _at(logits, places)


def classifier_kind(loaded: RunningModel) -> HeadKind:
    """Return whether the classifier in the model's folder labels words or sentences, by its configuration."""
    names = getattr(loaded.model.config, "architectures", None) or ()
    words = any("ForTokenClassification" in str(name) for name in names)
    return "classifier of words" if words else "classifier of sentences"


def load_head(loaded: RunningModel, kind: HeadKind) -> Head:
    """Load a head from the folder of a model, onto the model's body.

    Raises:
        ParameterError: the model is not an encoder, or is spread over devices.
        ModelError: the family has no such head, or the checkpoint lacks it.
    """
    spec, name = loaded.load_spec, loaded.identity.id
    if loaded.task != "encoder":
        raise ParameterError(f"{name} is not a {kind}, but a {loaded.task} model")
    if spec.device_map is not None:
        raise ParameterError(f"the {kind} of {name} runs on one device; load the model without device_map")
    folder = find_folder(spec.path, allow_pickle=spec.allow_pickle, trust_remote_code=spec.trust_remote_code)
    with quiet_transformers(warnings=False), as_model_error(f"{name} has no {kind}"):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=spec.trust_remote_code)
        files = check_weights(folder, config, allow_pickle=spec.allow_pickle)
        network, report = CLASSES[kind].from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, spec.dtype),
            trust_remote_code=spec.trust_remote_code,
            use_safetensors=None if files[0].suffix != ".safetensors" else True,
            output_loading_info=True,
        )
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{name} is not a {kind}: its checkpoint lacks {few_of(missing)}")
    if type(network.base_model) is not type(loaded.model):
        raise ModelError(
            f"{name} is not a {kind}: its body is a {type(loaded.model).__name__}, and the head belongs to a "
            f"{type(network.base_model).__name__}"
        )
    setattr(network, network.base_model_prefix, loaded.model)
    network.tie_weights(recompute_mapping=False)
    # a classifier on a decoder reads its output at the last subword that is not padding
    network.config.pad_token_id = loaded.pad_id
    return Head(kind, network.to(loaded.device).eval(), loaded)


def _at(values: Tensor, places: list[int]) -> Tensor:
    """Return the values at one place of each row, (rows, ...)."""
    index = torch.tensor(places, device=values.device)
    return values[torch.arange(len(places), device=values.device), index]
